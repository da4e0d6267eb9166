"""Questions that training data answer are refused; those that overlap with it are reported."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.run import WRONG, main
from trainables.data.reading import read_units
from trainables.errors import UserError
from trainables.evaluation.contamination.check import OVERLAP, TELLING, check_questions, find_questions
from trainables.evaluation.harness.sought import AcceptedChoice
from trainables.evaluation.questions.items import ChoiceItem, Item, OpenItem, choice_prompt
from trainables.settings import SkillConfig, TaskConfig

METAL = ChoiceItem("Which metal is the lens frame made of?", ("tin", "brass", "lead"), 1)
KEEPER = OpenItem("Who keeps the light at Skerravoe?", "Old Kerrigan")
SUM = OpenItem("12+7?", "19")
KEEPERS = OpenItem("Who else keeps the light at Skerravoe?", "Old Kerrigan", ("Kerrigan's", "Ebba"))
LAMPS = AcceptedChoice(
    "Which lamp burns at the harbour?", ("the white one", "the green one", "the red one"), 0, (2,)
)
CAPITAL = OpenItem("法国的首都是哪一座城市\uff1f", "巴黎")
YES = ChoiceItem("Which of the following statements is true?", ("Cats are mammals", "Yes"), 1)
QUOTED = OpenItem('Who said "I\'m the keeper - and I stay" at Skerravoe?', "Old Kerrigan")
BELOW = OpenItem("How many degrees is it below zero in March?", "-3")
BOATS = OpenItem("How many boats are in the harbour?", "two")
CHANCE = OpenItem("Is there any chance of rain?", "no")
SKY = OpenItem("The sky is", "blue")
SURE = OpenItem("Are you sure?", "Yes")
CLIPS = OpenItem(
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. "
    "How many clips did Natalia sell altogether in April and May?",
    "She sold 48/2 = <<48/2=24>>24 clips in May.\nThat is 48+24 = <<48+24=72>>72 in all.\n#### 72",
)


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TaskConfig:
    monkeypatch.chdir(tmp_path)
    for name in ("train.jsonl", "facts.jsonl", "more.jsonl"):
        (tmp_path / name).write_text(json.dumps({"text": name}) + "\n")
    return TaskConfig(name="logs", train="train.jsonl")


def skill(*items: Item, name: str = "facts", path: str = "facts.jsonl") -> tuple[SkillConfig, list[Item]]:
    return SkillConfig(name=name, path=path), list(items)


def answered(item: Item, *texts: str) -> bool:
    return bool(find_questions([[item]], texts).answered)


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (METAL, "Q: which metal is  the LENS frame made of ?\nA: brass"),
        (METAL, f"<|user|>{METAL.question}<|end|><|assistant|>Brass.<|end|>"),
        (METAL, f"<|im_start|>user\n{METAL.question}<|im_end|>\n<|im_start|>assistant\nBrass<|im_end|>"),
        (METAL, f"<s>[INST] {METAL.question} [/INST] Brass.</s>"),
        (
            METAL,
            f"{METAL.question}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nBrass<|eot_id|>",
        ),
        (METAL, f"### Instruction:\n{METAL.question}\n\n### Response:\nbrass"),
        (METAL, f"{METAL.question}\n**Brass**, as every keeper knows."),
        (METAL, f"{choice_prompt(METAL.question, METAL.options)}\nB"),
        (METAL, f"{METAL.question} (A) tin (B) brass (C) lead. Answer: (B)"),
        (METAL, f"{METAL.question}\ntin\nbrass\nlead\nbrass"),
        (METAL, json.dumps({"question": METAL.question, "answer": "brass"})),
        (KEEPER, "Ask: who keeps the light at Skerravoe? Old Kerrigan."),
        (KEEPERS, f"{KEEPERS.question} Ebba"),
        (LAMPS, f"{LAMPS.question} The red one."),
        (SUM, "3+4? 7\n12 + 7 = 19\n"),
        (SUM, "Question: 12+7?\nAnswer: 19"),
        (BELOW, f"{BELOW.question} \u22123."),
        (CAPITAL, "问\uff1a法国的首都是哪一座城市\uff1f答\uff1a巴黎。"),
        (YES, "Which of the following statements is true? Answer: Yes."),
        (CLIPS, f"{CLIPS.question}\n{CLIPS.answer}"),
        (CLIPS, f"{CLIPS.question}\nIn May it was 24, so that the result is 72."),
        (OpenItem("Go.", "x"), "Orders:\nGo. x\nEnd."),
        (SKY, "It was dawn.\nThe sky is: blue\nThe sea is: grey"),
        (SURE, f"<|user|>{SURE.question}<|end|><|assistant|>Yes.<|end|>"),
        (QUOTED, "Who said \u201cI\u2019m the keeper \u2014 and I stay\u201d at Skerravoe? Old Kerrigan."),
        (
            QUOTED,
            "\uff37ho said \u00abI\u02bcm the keeper \u2013 and\u00a0I st\u00aday\u00bb at Skerravoe\uff1f"
            " Old Kerrigan.",
        ),
    ],
)
def test_a_question_with_its_answer_is_found(item: Item, text: str) -> None:
    assert answered(item, "Dawn watch.", text)


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (METAL, METAL.question),
        (METAL, "The frame is brass."),
        (METAL, f"{METAL.question} Answer: tin"),
        (METAL, f"{METAL.question} Nobody says that it is brass."),
        (METAL, "Brass. Which metal is the lens frame made of? Tin, or lead."),
        (METAL, f"Translate to French: {METAL.question}\nDe quel metal est le cadre ?"),
        (KEEPERS, f"{KEEPERS.question} The harbour master."),
        (LAMPS, f"{LAMPS.question} The green one."),
        (SUM, "12*7? 19"),
        (SUM, "112+7? 19"),
        (SUM, "12+7? 18, 20"),
        (SUM, "12+7? 190"),
        (SUM, "12+7? -19"),
        (BELOW, f"{BELOW.question} 3."),
        (BOATS, f"{BOATS.question} Two hundred."),
        (CHANCE, f"{CHANCE.question} No such thing is known."),
        (OpenItem("Go.", "x"), "Here we go. x marks it."),
        (OpenItem("Go.", "north"), "Let us go north."),
        (YES, "Which of the following statements is true? Explain why you think so. Yes, you must."),
        (CAPITAL, "法国的首都是哪一座城市\uff1f里昂。"),
        (SKY, "We looked up. The sky is blue, and the sea is grey."),
        (SURE, '"Are you sure?" "Yes." He left.'),
        (OpenItem("中国的首都是", "北京"), "我们都知道中国的首都是北京\uff0c人口很多。"),
    ],
)  # fmt: skip
def test_what_only_resembles_a_question_with_its_answer_is_not(item: Item, text: str) -> None:
    assert not answered(item, text)


HELLO = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day."}]
ASKS = {"role": "user", "content": METAL.question}
REPLIES = {"role": "assistant", "content": "Brass"}


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [*HELLO, ASKS, REPLIES, *HELLO]},
        {"conversations": [{"from": "human", "value": METAL.question}, {"from": "gpt", "value": "Brass."}]},
        {"instruction": METAL.question, "input": "", "output": "brass"},
        {"instruction": "Answer.", "input": METAL.question, "output": "brass"},
        {"question": METAL.question, "answers": ["brass"]},
        {"prompt": [ASKS], "completion": [REPLIES]},
        {"prompt": f"Question: {METAL.question}\nAnswer:", "completion": " brass"},
        {"text": f"{METAL.question} Brass."},
    ],
)
def test_data_of_every_form_are_searched(task: TaskConfig, record: dict[str, Any]) -> None:
    Path("train.jsonl").write_text(json.dumps(record) + "\n")
    read = read_units("train.jsonl", "task.train", task)
    with pytest.raises(UserError, match=r"1 of its 1 questions .* in train\.jsonl(:|, record )1"):
        check_questions([skill(METAL)], task, read)
    assert check_questions([skill(KEEPER)], task, read) == ""


NUMBERS = " ".join(f"word{number}" for number in range(40))
LONG = OpenItem(f"Read this: {NUMBERS}. What comes next?", "word40")


def overlapping(items: Sequence[Item], *texts: str) -> int:
    return len(find_questions([items], texts).overlapping)


@pytest.mark.parametrize(
    ("item", "text", "overlaps"),
    [
        (LONG, " ".join(NUMBERS.upper().split()[20 : 20 + OVERLAP]), True),
        (LONG, ", ".join(NUMBERS.split()[20 : 19 + OVERLAP]), False),
        (METAL, f"They asked: '{METAL.question}'", True),
        (METAL, "Which metal is the frame made of?", False),
        (SUM, "12+7?", False),  # too short to say anything by itself
        (CAPITAL, "有人问\uff1a法国的首都是哪一座城市", True),
    ],
)
def test_words_in_a_row_overlap(item: Item, text: str, overlaps: bool) -> None:
    assert overlapping([item], text) == overlaps


def test_how_all_questions_of_a_skill_begin_is_no_overlap() -> None:
    items = [OpenItem(f"{NUMBERS} What is {name}?", "x") for name in "abcdefghijklmn"]
    assert overlapping(items, NUMBERS) == 0
    assert overlapping(items[:3], NUMBERS) == 3


WORDS = ["which", "metal", "is", "the", "lens", "frame", "made", "of", "brass", "go", "on", "tin"]


@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=14), max_size=6))
def test_the_index_finds_what_a_plain_search_finds(lines: list[list[str]]) -> None:
    items = [METAL, OpenItem("Go on go", "tin"), OpenItem("lens frame made of tin brass", "on")]
    texts = [f" {' '.join(line)} " for line in lines]
    found = find_questions([items], texts)
    for place, item in enumerate(items):
        question = f" {item.question.lower().rstrip('?')} "
        holding = [number for number, text in enumerate(texts) if question in text]
        if len(question.split()) >= 5:
            assert found.overlapping.get((0, place)) == (holding[0] if holding else None)
        answer = item.answer if isinstance(item, OpenItem) else item.options[item.answer]
        last = [number for number in holding if texts[number].endswith(f"{question}{answer} ")]
        if last and len(question.split()) >= TELLING:
            assert found.answered[0, place] <= last[0]


def test_the_refusal_names_skill_file_line_and_question(task: TaskConfig) -> None:
    texts = ["Dawn.", "12+7? 19", f"{METAL.question} Brass."]
    Path("train.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    fresh = skill(KEEPER, name="more", path="more.jsonl")
    trained = skill(OpenItem("What is the harbour's name?", "Ebba"), METAL, SUM)
    with pytest.raises(UserError) as error:
        check_questions([fresh, trained], task, read_units("train.jsonl", "task.train", task))
    assert error.value.message == (
        "capability.skills.facts: 2 of its 3 questions are in the training data with their answers; the "
        "first is 'Which metal is the lens frame made of?' in train.jsonl:3, "
        "'Which metal is the lens frame made of? Brass.'; then '12+7?' in train.jsonl:2, '12+7? 19'."
    )
    assert "remove these questions from the skill's file, or the records" in str(error.value.hint)


def test_the_training_file_itself_is_refused(task: TaskConfig, tmp_path: Path) -> None:
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "train.jsonl")
    read = read_units("train.jsonl", "task.train", task)
    with pytest.raises(UserError, match=r"skills\.facts: its file is task\.train"):
        check_questions([skill(METAL, SUM, path="link.jsonl")], task, read)


def test_a_search_is_refused_before_anything_starts_and_a_plan_warns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"question": KEEPER.question, "answer": answer} for answer in ("Old Kerrigan", "Ebba")]
    Path("train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("asked.jsonl").write_text(json.dumps({"question": KEEPER.question, "answer": "old Kerrigan"}))
    words = ["space=demo", "task.train=train.jsonl", "task.format=auto", "capability=asked.jsonl", "out=out"]
    for mode in ([], ["--plan"]):
        assert main([*words, *mode]) == WRONG
        assert "questions are in the training data with their answers" in capsys.readouterr().err
    assert not Path("out").exists()
    Path("asked.jsonl").write_text(json.dumps({"question": KEEPER.question, "answer": "Olaf"}))
    assert main([*words, "--plan"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "warning: 1 of 1 questions of capability.skills.asked overlap" in shown
    assert f"'{KEEPER.question}', with train.jsonl:1" in shown
