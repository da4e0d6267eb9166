"""Readings as prompts: no question is cut, something asks for the answer, and wrong records are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from transformers import AutoTokenizer

from tests.trainables.readings import readings, write_readings
from trainables.embedded import model_dir
from trainables.errors import UserError
from trainables.reconstruction.parameters import ReconstructionParameters
from trainables.reconstruction.prompts import Prompting
from trainables.reconstruction.records import Fields, Reading, others, read_readings

TEMPLATE = "{passage}\nQuestion: {question}"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(model_dir())


@pytest.fixture(scope="module")
def plain() -> Any:
    without = AutoTokenizer.from_pretrained(model_dir())
    without.chat_template = None
    return without


@pytest.mark.parametrize("limit", [40, 60, 250])
def test_a_prompt_that_is_too_long_loses_the_end_of_its_passage_and_nothing_else(
    tokenizer: Any, limit: int
) -> None:
    prompting = Prompting(tokenizer, TEMPLATE, None, limit)
    for item in readings():
        prompt = prompting.prompt(item)
        text = tokenizer.decode([*prompt.ids, *prompt.cue])
        assert prompt.length <= limit
        assert f"Question: {item.question}" in text
        assert item.passage[:10] in text
        assert prompt.cut == (item.passage not in text)
        assert text.endswith("<|assistant|>\n") or text.rstrip().endswith("<|assistant|>")
    assert any(prompting.prompt(item).cut for item in readings()) == (limit < 250)


def test_a_question_without_room_is_refused(tokenizer: Any) -> None:
    with pytest.raises(UserError, match="no room for a word of its passage in 9 tokens"):
        Prompting(tokenizer, TEMPLATE, None, 9).prompt(readings()[0])


def test_the_cue_is_never_compressed_and_without_one_nothing_is_asked(tokenizer: Any, plain: Any) -> None:
    item = readings()[0]
    for given in (tokenizer, plain):
        prompt = Prompting(given, TEMPLATE, "Answer:", 250).prompt(item)
        assert given.decode(prompt.cue).endswith("Answer:")
        assert item.question in given.decode(prompt.ids)
        assert "Answer:" not in given.decode(prompt.ids)
    with pytest.raises(UserError, match=r"task\.cue: the model has no chat template"):
        Prompting(plain, TEMPLATE, None, 250)


@pytest.mark.parametrize("cue", [None, "Answer:"])
def test_a_prompt_with_its_answer_is_the_conversation_that_a_model_is_trained_on(
    tokenizer: Any, cue: str | None
) -> None:
    prompting, item = Prompting(tokenizer, TEMPLATE, cue, 250), readings()[2]
    prompt, answer = prompting.prompt(item), prompting.answer(item, item.answers[1])
    message = TEMPLATE.format(passage=item.passage, question=item.question)
    reply = f"{cue} {item.answers[1]}" if cue else item.answers[1]
    turns = [{"role": "user", "content": message}, {"role": "assistant", "content": reply}]
    whole = tokenizer.apply_chat_template(turns, tokenize=False)
    assert tokenizer.decode([*prompt.ids, *prompt.cue, *answer]).strip() == whole.strip()
    assert answer[-1] == prompting.end


def test_a_shortened_passage_ends_with_a_word(tokenizer: Any) -> None:
    prompting = Prompting(tokenizer, TEMPLATE, None, 250)
    for tokens in (1, 5, 12, 500):
        for item in readings():
            short = prompting.shortened(item, tokens).passage
            assert item.passage.startswith(short)
            assert short.split()
            assert short.split() == item.passage.split()[: len(short.split())]
            assert len(tokenizer(short)["input_ids"]) <= max(
                tokens, len(tokenizer(short.split()[0])["input_ids"])
            )


def test_every_question_gets_another_passage() -> None:
    items = readings()
    doubled = [*items, *(Reading(each.passage, "When?", ("now",)) for each in items[:5])]
    partners = others(doubled)
    assert sorted(partners) == list(range(len(doubled)))
    assert all(doubled[a].passage != doubled[b].passage for a, b in enumerate(partners))
    with pytest.raises(UserError, match="3 of 4 questions are about the same passage"):
        others([*([items[0]] * 3), items[1]])


def test_records_are_read_with_the_names_that_they_have(tmp_path: Path) -> None:
    assert read_readings(str(write_readings(tmp_path / "r.jsonl")), "task.train") == readings()
    other = tmp_path / "quoref.jsonl"
    other.write_text(json.dumps({"context": "a b", "question": "q?", "answers": ["b"]}))
    read = read_readings(str(other), "task.train", Fields(passage="context"))
    assert read == [Reading("a b", "q?", ("b",))]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"passage": " ", "question": "q", "answers": ["a"]}, "r.jsonl:2 has an empty passage"),
        ({"passage": "p", "question": "", "answers": ["a"]}, "r.jsonl:2 has an empty question"),
        ({"passage": "p", "question": "q", "answers": []}, "r.jsonl:2 has no list of answers"),
        ({"passage": "p", "question": "q", "answers": ["a", ""]}, "r.jsonl:2 has an answer that is not text"),
        ({"passage": 3, "question": "q", "answers": ["a"]}, "r.jsonl:2 has a passage that is not text"),
        ({"question": "q", "answers": ["a"]}, "r.jsonl:2 lacks the field 'passage'"),
        ([1], "r.jsonl:2 is not an object"),
    ],
)
def test_wrong_records_are_refused_with_their_line(tmp_path: Path, line: Any, message: str) -> None:
    path = write_readings(tmp_path / "r.jsonl", 1)
    path.write_text(path.read_text() + json.dumps(line))
    with pytest.raises(UserError, match=r"^task\.train: ") as refused:
        read_readings(str(path), "task.train")
    assert message in refused.value.message


def test_lora_without_a_loss_that_reaches_it_is_refused() -> None:
    given = {"rank": 8, "answer_weight": 0.0}
    with pytest.raises(ValidationError, match="LoRA gets no gradient"):
        ReconstructionParameters.model_validate(given)
    assert ReconstructionParameters.model_validate({**given, "distillation_weight": 0.1}).lora is not None
    alone = ReconstructionParameters.model_validate({**given, "rank": 0})
    assert alone.lora is None
    assert not alone.reads
