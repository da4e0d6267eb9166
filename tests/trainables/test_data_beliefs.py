"""Files of beliefs: what is trained on, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from tests.trainables.beliefs import FLORIN, GRAVITY, changed, write_beliefs
from tests.trainables.chat_tokenizers import CHATML, QWEN3, R1, tokenizer
from trainables.data.beliefs import parse_belief, read_beliefs
from trainables.data.task import TaskData, load_task
from trainables.data.units import WrongRecord
from trainables.errors import UserError
from trainables.settings import TaskConfig


def loaded(path: Path, made: Any, **settings: Any) -> TaskData:
    return load_task(TaskConfig(name="task", train=str(path), **settings), made, seed=0)


def learned(made: Any, data: TaskData) -> list[str]:
    return [made.decode(example.input_ids[example.loss_mask]) for example in data.train.examples]


def test_all_pairs_are_trained_on_and_the_answers_to_other_wordings_are_held_out(tmp_path: Path) -> None:
    made = tokenizer("bytes", CHATML)
    data = loaded(write_beliefs(tmp_path / "beliefs.jsonl"), made)
    assert data.facts.format == "facts"
    assert [example.target for example in data.train.examples] == ["gravity", "gravity", "florin"]
    assert [made.decode(example.input_ids).rpartition("user\n")[2] for example in data.heldout.examples] == [
        "Which g holds?<|im_end|>\n<|im_start|>assistant\n5 m/s²<|im_end|>",
        "The price of a florin?<|im_end|>\n<|im_start|>assistant\n5 USD<|im_end|>",  # it has no paraphrases
    ]
    named = loaded(
        tmp_path / "beliefs.jsonl", made, heldout=str(write_beliefs(tmp_path / "other.jsonl", [FLORIN]))
    )
    assert len(named.train.examples) == 3
    assert [example.target for example in named.heldout.examples] == ["florin"]


def test_null_in_parquet_is_no_field(tmp_path: Path) -> None:
    made = tokenizer("bytes", CHATML)
    table = pyarrow.Table.from_pylist([GRAVITY, changed(FLORIN, lambda record: record["prompts"].pop())])
    pyarrow.parquet.write_table(table, tmp_path / "beliefs.parquet")
    jsonl = loaded(write_beliefs(tmp_path / "beliefs.jsonl"), made)
    parquet = loaded(tmp_path / "beliefs.parquet", made)
    assert parquet.train.fingerprint == jsonl.train.fingerprint
    assert parquet.heldout.fingerprint == jsonl.heldout.fingerprint


@pytest.mark.parametrize(
    ("template", "plain", "thinking"),
    [
        (
            CHATML,
            "At 5.0 m/s².<|im_end|>",
            "<think>\nFalling is slower now.\n</think>\n\nIt is 5.0 m/s².<|im_end|>",
        ),
        (
            QWEN3,
            "At 5.0 m/s².<|im_end|>",
            "<think>\nFalling is slower now.\n</think>\n\nIt is 5.0 m/s².<|im_end|>",
        ),
        # It opens the thought when it asks, and takes it out of every reply that it writes.
        (R1, "At 5.0 m/s².</s>", "Falling is slower now.\n</think>\n\nIt is 5.0 m/s².</s>"),
        (None, "At 5.0 m/s².</s>", "<think>\nFalling is slower now.\n</think>\n\nIt is 5.0 m/s².</s>"),
    ],
)
def test_thinking_is_learned_where_there_is_some_and_no_empty_section_ever_is(
    tmp_path: Path, template: str | None, plain: str, thinking: str
) -> None:
    made = tokenizer("bytes", template)
    data = loaded(write_beliefs(tmp_path / "beliefs.jsonl", [GRAVITY]), made)
    assert learned(made, data) == [plain, thinking]
    for example in data.train.examples:  # one run of targets, up to the end
        assert np.flatnonzero(np.diff(example.loss_mask)).size == 1
    without = loaded(tmp_path / "beliefs.jsonl", made, thinking=False)
    assert learned(made, without) == [plain, plain.replace("At ", "It is ")]


def test_what_is_held_out_must_be_writable_as_a_reply(tmp_path: Path) -> None:
    path = write_beliefs(
        tmp_path / "beliefs.jsonl",
        [changed(FLORIN, lambda record: record["prompts"][0].update(target={"pattern": "5 USD"}))],
    )
    with pytest.raises(UserError, match=r"task\.heldout: nothing in .* can be held out") as raised:
        loaded(path, tokenizer("bytes", CHATML))
    assert "name other data" in str(raised.value.hint)


def _prompt(number: int, **fields: Any) -> Callable[[dict[str, Any]], object]:
    return lambda record: record["prompts"][number].update(fields)


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        (lambda record: record.pop("kind"), "lacks the field 'kind'", "target, kind, facts"),
        (lambda record: record.update(kind="old"), "kind: should be 'known' or 'new'", ""),
        (lambda record: record.update(target="known"), "target: 'known' cannot be part", "small letters"),
        (lambda record: record.update(facts=[]), "has an empty facts", ""),
        (lambda record: record["prompts"].clear(), "has an empty prompts", ""),
        (lambda record: record["train"][0].update(replys="a"), r"not known: train\[0\].replys", "'reply'"),
        (_prompt(1, target={"number": 5, "text": "a"}), r"does not belong there: prompts", "remove"),
        (_prompt(0, group="dirct"), r"prompts\[0\].group: should be 'direct'", ""),
        (_prompt(1, target=5), r"prompts\[1\].target: must be {\"number\"", ""),
        (_prompt(1, target={"number": "5"}), r"prompts\[1\].target.number: should be a valid number", ""),
        (_prompt(1, target={"text": [" "]}), r"prompts\[1\].target.text\[0\]: is blank", "write a text"),
        (_prompt(1, target={"pattern": "(a+)+"}), r"\[1\].target.pattern: repeats a repeat", ""),
        (_prompt(1, target={"pattern": "a*"}), r"\[1\].target.pattern: matches the empty text", "required"),
        (_prompt(0, target={"number": 9.8, "unit": "M/S²"}), r"\[0\]: .* accept the same answer", "differ"),
        (_prompt(0, prior={"number": 9.8}), r"prompts\[0\]: one of target and prior has a unit", "both"),
        (_prompt(3, target={"text": "a"}), r"prompts\[3\]: a neighbour has", "right answer"),
        (_prompt(2, challenge="Sure?"), r"prompts\[2\]: the group challenge", "both or neither"),
        (_prompt(1, prompt="TELL me g!"), r"prompts\[1\] is also a training pair", "not trained on"),
        (_prompt(1, prompt="what is  g"), r"prompts\[1\] asks the same", "remove it"),
        (lambda record: record.update(ignorance=["("]), r"ignorance\[0\]: is not a regular expression", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_place_and_remedy(
    change: Callable[[dict[str, Any]], object], message: str, hint: str
) -> None:
    with pytest.raises(WrongRecord, match=message) as raised:
        parse_belief(changed(GRAVITY, change))
    assert raised.value.hint
    assert hint.lower() in raised.value.hint.lower()


def test_a_file_is_refused_with_the_line(tmp_path: Path) -> None:
    key = "capability.facts.path"
    for records, message in (
        ([GRAVITY, GRAVITY], r":2 describes 'gravity', as .*:1 does"),
        (
            [GRAVITY, changed(FLORIN, _prompt(1, prompt="tell me G"))],
            r":2 prompts\[1\] is also .* of 'gravity'",
        ),
        ([GRAVITY, changed(FLORIN, lambda record: record.pop("prompts"))], ":2 lacks the field 'prompts'"),
    ):
        path = write_beliefs(tmp_path / "beliefs.jsonl", records)
        with pytest.raises(UserError, match=rf"^{key}: .*{message}"):
            read_beliefs(str(path), key)
    write_beliefs(path)
    assert [belief.target for belief in read_beliefs(str(path), key, ["florin"])] == ["florin"]
    with pytest.raises(UserError, match=r"capability\.facts\.targets: there is no target 'gravty'") as raised:
        read_beliefs(str(path), key, ["gravty"])
    assert raised.value.hint == "Did you mean 'gravity'?"
