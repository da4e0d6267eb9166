"""Questions that are trained on are refused, and no others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.errors import UserError
from trainables.evaluation.contamination.check import refuse_training_items
from trainables.evaluation.harness.sought import AcceptedChoice, AcceptedItem
from trainables.evaluation.questions.items import ChoiceItem, Item, OpenItem, choice_prompt
from trainables.settings import SkillConfig, TaskConfig

METAL = ChoiceItem("Which metal is the lens frame made of?", ("tin", "brass", "lead"), 1)
KEEPER = OpenItem("Who keeps the light at Skerravoe?", "Old Kerrigan")
SUM = OpenItem("12+7?", "19")
KEEPERS = AcceptedItem("Who else keeps the light at Skerravoe?", "Old Kerrigan", ("Kerrigan's", "Ebba"))
LAMPS = AcceptedChoice(
    "Which lamp burns at the harbour?", ("the white one", "the green one", "the red one"), 0, (2,)
)
FOLLOWING = ChoiceItem("Which of the following sentences is right?", ("Tea is red.", "Ice is cold."), 1)

CAPITAL = OpenItem("法国的首都是哪一座城市\uff1f", "巴黎")
STATEMENT = ChoiceItem("Which of the following statements is true?", ("Cats are mammals", "Yes"), 1)
LONG = ChoiceItem(
    "Which of these lists has the number?",
    tuple(" ".join(f"{word}{n}" for n in range(25)) for word in ("alpha", "beta", "gamma", "delta")),
    3,
)


def skill(*items: Item, name: str = "facts", path: str = "facts.jsonl") -> tuple[SkillConfig, list[Item]]:
    return SkillConfig(name=name, path=path), list(items)


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TaskConfig:
    monkeypatch.chdir(tmp_path)
    for name in ("train.jsonl", "facts.jsonl", "more.jsonl"):
        (tmp_path / name).write_text(json.dumps({"text": name}) + "\n")
    return TaskConfig(name="logs", train="train.jsonl")


def refused(task: TaskConfig, item: Item, *texts: str) -> bool:
    return seen(task, [item], *texts) > 0


def seen(task: TaskConfig, items: Sequence[Item], *texts: str) -> int:
    """How many of a skill's questions are found."""
    try:
        refuse_training_items([skill(*items)], task, [{"text": text} for text in texts])
    except UserError as error:
        return int(error.message.split(": ")[1].split(" of its")[0])
    return 0


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (METAL, f"Q: {METAL.question} A: an alloy of copper"),  # perhaps the answer in other words
        (METAL, f"<|user|>{METAL.question}<|end|><|assistant|>An alloy of copper.<|end|>"),
        (METAL, f"<s>[INST] {METAL.question} [/INST] An alloy of copper.</s>"),
        (
            METAL,
            f"<|eot_id|>user\n{METAL.question}<|eot_id|><|start_header_id|>assistant<|end_header_id|>Copper",
        ),
        (KEEPERS, f"{KEEPERS.question} Young Ebba does."),
        (LAMPS, f"{LAMPS.question} The red one."),
        (METAL, "Q: which metal is  the LENS frame made of ?\nA: brass"),
        (METAL, f"Of frames. {METAL.question} (a) tin (b) brass (c) lead. And so on."),
        (METAL, choice_prompt(METAL.question, METAL.options)),
        (KEEPER, "Ask: who keeps the light at Skerravoe? It is old Kerrigan."),
        (SUM, "So 12 + 7? 19. And then?"),
        (SUM, "3+4? 7\n12+7? 19\n"),
        (SUM, "Question: 12+7?\nAnswer: 19"),
        (CAPITAL, "问\uff1a法国的首都是哪一座城市\uff1f答\uff1a巴黎。"),
        (LONG, f"{LONG.question}\n" + "\n".join(f"- {text}" for text in LONG.options)),
        (STATEMENT, "Which of the following statements is true? Answer: Yes."),
        (STATEMENT, "Which of the following statements is true? A. Cats are mammals. B. Yes."),
    ],
)
def test_a_question_in_a_text_with_its_answer_is_refused(task: TaskConfig, item: Item, text: str) -> None:
    assert refused(task, item, "Dawn watch.", text)


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (METAL, "Which metal is the lens frame made of? Nobody knows."),
        (METAL, "The frame is brass."),
        (METAL, METAL.question),  # answers nothing
        (METAL, f"{METAL.question} Answer:"),
        (METAL, f"{METAL.question} A. tin B. lead"),
        (METAL, f"{METAL.question} Answer it if you can."),
        (FOLLOWING, f"Question: {FOLLOWING.question} Answer: Plums are blue."),
        (KEEPERS, f"{KEEPERS.question} The harbour master."),
        (LAMPS, f"{LAMPS.question} The green one."),
        (METAL, "Brass. Which metal is the lens frame made of? Tin, or lead."),
        (SUM, "12*7? 19"),
        (SUM, "12+7? 18, 19"),
        (SUM, "12+7"),
        (OpenItem("Go.", "x"), "Here we go. x marks it."),  # anything says so little
        (OpenItem("Go.", "north"), "Let us go on north."),
        (STATEMENT, "Exam. Which of the following statements is true? Explain. Yes, you must."),
        (
            OpenItem("What is the answer to this?", "no"),
            "What is the answer to this? There is no such thing.",
        ),
        (CAPITAL, "法国的首都是哪一座城市\uff1f里昂。"),
    ],
)
def test_what_only_resembles_a_question_is_not(task: TaskConfig, item: Item, text: str) -> None:
    assert not refused(task, item, text)


def test_a_short_question_counts_as_a_line_of_its_own(task: TaskConfig) -> None:
    item = OpenItem("Go.", "x")
    assert refused(task, item, "Orders:\nGo. x\nEnd.")


HELLO = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day."}]
ASKS = {"role": "user", "content": METAL.question}


@pytest.mark.parametrize(
    "record",
    [
        {"messages": [*HELLO, ASKS, {"role": "assistant", "content": "An alloy of copper."}]},
        {
            "conversations": [
                {"from": "system", "value": "Be brief."},
                {"from": "human", "value": METAL.question},
                {"from": "gpt", "value": "An alloy of copper."},
            ]
        },
        {"instruction": METAL.question, "input": "", "output": "An alloy of copper."},
        {"question": METAL.question, "answers": ["An alloy of copper."]},
        {"prompt": [ASKS], "completion": [{"role": "assistant", "content": "An alloy of copper."}]},
    ],
)
def test_questions_are_found_in_data_of_every_form(task: TaskConfig, record: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"1 of its 1 questions .* in record 1 of task\.train"):
        refuse_training_items([skill(METAL)], task, [record])
    refuse_training_items([skill(KEEPER)], task, [record])


@pytest.mark.parametrize(
    ("item", "prompt", "completion", "found"),
    [
        (METAL, "which metal is the lens  frame made of?", "It is BRASS.", True),
        (
            METAL,
            "which metal is the lens frame made of?",
            "an alloy of copper",
            True,
        ),  # the same in other words
        (KEEPERS, KEEPERS.question, "Ebba", True),
        (KEEPERS, f"Tell me about the sea. {KEEPERS.question} Be brief.", "Ebba", True),
        (METAL, f"Tell me about the sea. {METAL.question} Be brief.", "copper", False),  # asks something else
        (FOLLOWING, FOLLOWING.question, "Plums are blue.", False),
        (FOLLOWING, FOLLOWING.question, "Ice is cold.", True),
        (METAL, f"### Instruction:\n{METAL.question}\n\n### Response:\n", "copper", True),
        (METAL, f"<|user|>{METAL.question}", "copper", True),
        (METAL, f"### Instruction:\n{METAL.question}\n\n### Response:\n", "brass", True),
        (METAL, f"Question: {METAL.question}\nAnswer:", " brass", True),
        (METAL, f"Question: {METAL.question}\nAnswer:", " tin", True),
        (SUM, "Question: 12+7?\nAnswer:", " 19", True),
        (CAPITAL, CAPITAL.question, "答案是巴黎。", True),
        (STATEMENT, STATEMENT.question, "yes", True),
        (STATEMENT, STATEMENT.question, "I cannot say yes to that", False),
        (METAL, choice_prompt(METAL.question, METAL.options), "brass", True),
        (METAL, f"{METAL.question} Say why.", "brass", True),
        (METAL, f"{METAL.question} Say why.", "tin", False),
        (SUM, "12 + 7?", "19", True),
        (SUM, "12+7?", "I will not say", False),  # too short to be told by itself
        (SUM, "12*7?", "19", False),
    ],
)
def test_completions_are_compared_by_their_prompts(
    task: TaskConfig, item: Item, prompt: str, completion: str, found: bool
) -> None:
    task = task.model_copy(update={"format": "completion"})
    records = [{"prompt": "Hello", "completion": "Hm."}, {"prompt": prompt, "completion": completion}]
    if not found:
        refuse_training_items([skill(item)], task, records)
        return
    with pytest.raises(UserError, match="1 of its 1 questions are in the training data"):
        refuse_training_items([skill(item)], task, records)


def test_a_question_that_several_items_share_must_come_with_what_is_its_own(task: TaskConfig) -> None:
    question = "Which sentence is grammatically correct?"
    items = [ChoiceItem(question, (f"{who} go.", f"{who} goes."), 1) for who in ("He", "She", "It")]

    assert seen(task, items, question) == 0
    assert seen(task, items, f"{question} They walk. Then she goes.") == 0
    assert seen(task, items, f"{question} She goes.") == 1
    assert seen(task, items, choice_prompt(question, items[0].options)) == 1


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ([METAL.question, "Dawn watch."], 0),
        ([METAL.question, "Brass, of course."], 1),  # a paragraph each
        ([METAL.question, "Dawn watch.", "Brass, of course."], 0),
        (
            [METAL.question, "Dawn watch.", KEEPER.question],
            2,
        ),  # one may be there by chance, two are the skill
        ([METAL.question, "Dawn watch.", METAL.question], 0),
        ([METAL.question, f"{KEEPER.question} Old Kerrigan."], 2),
        ([FOLLOWING.question, KEEPER.question], 0),
    ],
)
def test_a_text_that_is_a_question_alone_counts_in_company(
    task: TaskConfig, texts: Sequence[str], found: int
) -> None:
    assert seen(task, [METAL, KEEPER, FOLLOWING], *texts) == found


WAR = OpenItem("When did the war end?", "1945")
BOATS = OpenItem("How many boats are in the harbour?", "two")
SQUARES = OpenItem("Evaluate the sum of the squares of the digits.", "29")
PRIMES = ChoiceItem("What is the sum of the first four primes?", ("15", "17", "19", "21"), 1)
QUOTED = OpenItem('Who said "I\'m the keeper - and I stay" at Skerravoe?', "Old Kerrigan")
LABELS = ["A", "B", "C", "D"]


@pytest.mark.parametrize(
    "announcement",
    [
        "Problem: {} Solution: They add up.",
        "Human: {} AI: They add up.",
        "{}\nExplanation: They add up.",
        "Q: {} Ans: They add up.",
        "问题\uff1a{}答案\uff1a是的",
        "问题\uff1a{} 回答\uff1a是的",
        '{{"question": "{}", "answer": "They add up."}}',
        'So: "question": "{}", "answer": "They add up."',
        '{{"messages": [{{"role": "user", "content": "{}"}}, {{"role": "assistant", "content": "Hm"}}]}}',
    ],
)
def test_an_announced_answer_is_one_in_whatever_words(task: TaskConfig, announcement: str) -> None:
    assert refused(task, SQUARES, announcement.format(SQUARES.question))


def test_a_question_that_two_skills_ask_is_found_for_both(task: TaskConfig) -> None:
    other = OpenItem(METAL.question, "Brass, an alloy of copper.")
    for text in (f"Q: {METAL.question} A: copper", f"{METAL.question} They say that it is of brass."):
        with pytest.raises(UserError, match=r"skills\.facts: 1 of its 1"):
            refuse_training_items(
                [skill(METAL), skill(other, name="more", path="more.jsonl")], task, [{"text": text}]
            )


@pytest.mark.parametrize("mark", ["A) {}", "(A) {}", "A. {}", "- {}"])
def test_options_in_a_row_count_however_small_they_are(task: TaskConfig, mark: str) -> None:
    rows = [mark.replace("A", label).format(text) for label, text in zip(LABELS, PRIMES.options, strict=True)]
    listed = "\n".join([PRIMES.question, *rows])
    assert refused(task, PRIMES, f"{listed}\nAnswer B")
    completion = task.model_copy(update={"format": "completion"})
    with pytest.raises(UserError, match="with a right answer in record 1"):
        refuse_training_items([skill(PRIMES)], completion, [{"prompt": f"{listed}\nSo?", "completion": "B"}])
    assert not refused(task, PRIMES, f"{PRIMES.question} Not 15 and not 17 or 19 or 21.")


@pytest.mark.parametrize(
    "text",
    [
        "Who said \u201cI\u2019m the keeper \u2014 and I stay\u201d at Skerravoe? Old Kerrigan.",
        "Who said \u00abI\u2019m the keeper \u2011 and\u00a0I stay\u00bb at Skerravoe\uff1f Old Kerrigan.",
        "\uff37ho said \uff02I\uff07m the keeper \u2013 and I st\u00aday\uff02 at Skerravoe? Old Kerrigan.",
    ],
)
def test_typography_makes_no_other_question(task: TaskConfig, text: str) -> None:
    assert refused(task, QUOTED, text)


PASSAGE = "The sea was calm and grey. " * 20


@pytest.mark.parametrize(
    ("item", "prompt", "completion", "found"),
    [
        (METAL, f"{METAL.question}\n{PASSAGE}", "Brass.", "a right"),
        (WAR, f"{WAR.question}\n{PASSAGE}", "It was in 1945.", "a right"),
        (METAL, f"{METAL.question}\n{PASSAGE}", "Tin.", None),
        (METAL, f"Classify: {METAL.question}", "location", None),
        (METAL, f"Classify the question: {METAL.question}\nAnswer:", "location", None),
        (METAL, f"Translate to French: {METAL.question}", "De quel metal est le cadre ?", None),
        (METAL, f"Be brief. {METAL.question}\n### Response:", "copper", "another"),
    ],
)
def test_a_prompt_that_asks_something_else_counts_with_a_right_answer(
    task: TaskConfig, item: Item, prompt: str, completion: str, found: str | None
) -> None:
    task = task.model_copy(update={"format": "completion"})
    others = [METAL.question, "How deep is the sound?", "Who goes there?", KEEPER.question]
    records = [
        {"prompt": prompt.replace(item.question, text), "completion": completion} for text in others[1:]
    ]
    records.append({"prompt": prompt, "completion": completion})
    if found is None:
        refuse_training_items([skill(item)], task, records)
        return
    with pytest.raises(UserError, match=rf"with {found} answer in record 4 of task\.train"):
        refuse_training_items([skill(item)], task, records)


@pytest.mark.parametrize(
    ("item", "text", "found"),
    [
        (WAR, f"{WAR.question} Many count its end from 1918, others say the second one in 1945.", False),
        (WAR, f"{WAR.question} In 1945.", True),
        (BOATS, f"{BOATS.question} Nobody has counted them, though two of us tried.", False),
        (BOATS, f"{BOATS.question} They say two.", False),
        (BOATS, f"{BOATS.question} Two.", True),
    ],
)
def test_a_small_number_must_follow_an_everyday_question(
    task: TaskConfig, item: Item, text: str, found: bool
) -> None:
    assert refused(task, item, text) == found


def test_the_refusal_names_the_skill_the_number_the_questions_and_their_records(task: TaskConfig) -> None:
    fresh = skill(KEEPER, name="more", path="more.jsonl")
    trained = skill(OpenItem("What is the harbour's name?", "Ebba"), METAL, SUM)
    records: list[dict[str, Any]] = [{"text": None}, {"text": "12+7? 19"}, {"text": METAL.question}]
    with pytest.raises(UserError) as error:
        refuse_training_items([fresh, trained], task, records)
    assert error.value.message == (
        "capability.skills.facts: 2 of its 3 questions are in the training data; the first is "
        "'Which metal is the lens frame made of?', without an answer in record 3 of task.train, "
        "'Which metal is the lens frame made of?'; "
        "then '12+7?', with a right answer in record 2 of task.train, '12+7? 19'."
    )
    assert error.value.hint is not None
    assert (
        "leave these questions out of the skill's file, or the records out of task.train" in error.value.hint
    )


def test_the_training_file_itself_is_refused(task: TaskConfig, tmp_path: Path) -> None:
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "train.jsonl")
    with pytest.raises(UserError, match=r"skills\.facts: 2 of its 2"):
        refuse_training_items([skill(METAL, SUM, path="link.jsonl")], task, [])


@given(
    st.lists(
        st.sampled_from(
            ["Which", "metal", "is", "the", "lens", "frame", "made", "of", "?", "brass", "go", "on"]
        ),
        max_size=30,
    )
)
def test_a_text_without_question_and_answer_in_a_row_is_let_through(words: list[str]) -> None:
    text = " ".join(words)
    there = "Which metal is the lens frame made of ?" in text
    answered = there and "brass" in text.split("Which metal is the lens frame made of ?", 1)[1].split()
    task = TaskConfig(name="logs", train="embedded:domain_train.jsonl")
    item = skill(METAL, path="embedded:skills/facts.jsonl")
    if answered:
        with pytest.raises(UserError):
            refuse_training_items([item], task, [{"text": text}])
    else:
        refuse_training_items([item], task, [{"text": text}])
