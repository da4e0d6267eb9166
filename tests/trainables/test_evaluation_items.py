"""Records that are questions: the forms that are taken, and those that would be asked without a part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trainables.data.formats import FORMATS
from trainables.data.formats.base import unused_fields
from trainables.data.units import Pair, WrongRecord
from trainables.errors import UserError
from trainables.evaluation.declared import declared_metrics
from trainables.evaluation.questions.items import ChoiceItem, Item, OpenItem, asked, read_items
from trainables.settings import CapabilityConfig, SkillConfig, TaskConfig

Q = {"question": "Who keeps it?"}
NAMES = ("Airdrie", "Ebba", "Munro")
EBBA = ChoiceItem("Who keeps it?", NAMES, 1)
OPEN = OpenItem("Who keeps it?", "Ebba")
TASK = TaskConfig(name="task", train="unused.jsonl")
ARC = {"text": list(NAMES), "label": ["1", "2", "3"]}


def read(folder: Path, record: dict[str, Any]) -> Item:
    path = folder / "items.jsonl"
    path.write_text(json.dumps(record) + "\n")
    (item,) = read_items(str(path), "key")
    return item


@pytest.mark.parametrize(
    ("record", "item"),
    [
        ({"options": NAMES, "answer": 1}, EBBA),
        ({"options": NAMES, "answer": "B"}, EBBA),
        ({"options": NAMES, "answer": "Ebba"}, EBBA),
        ({"choices": NAMES, "answer": "B"}, EBBA),
        ({"choices": ARC, "answerKey": "2"}, EBBA),
        ({"options": {"A": "Airdrie", "B": "Ebba", "C": "Munro"}, "answer": "B"}, EBBA),
        ({"A": "Airdrie", "B": "Ebba", "C": "Munro", "D": "", "answer": "B"}, EBBA),
        ({"options": ["2", "1", "3"], "answer": "1"}, ChoiceItem("Who keeps it?", ("2", "1", "3"), 1)),
        ({"options": NAMES, "answers": ["B", "Ebba"]}, EBBA),
        ({"answer": "Ebba"}, OPEN),
        ({"options": None, "context": None, "answer": "Ebba"}, OPEN),
        ({"answers": ["Ebba"]}, OPEN),
        ({"answers": ["Ebba", "Old Ebba", "Ebba"]}, OpenItem("Who keeps it?", "Ebba", ("Old Ebba",))),
        ({"answers": {"text": ["Ebba"], "answer_start": [7]}}, OPEN),
        ({"answer": "Ebba", "answers": [*NAMES]}, OPEN),  # candidates
        ({"answer": "Ebba", "answers": [{"text": "Ebba"}]}, OPEN),
        ({"answer": "", "answers": ["Ebba"]}, OPEN),
        ({"context": {"title": ["Log"], "sentences": [["Ebba."]]}, "article": 5, "answer": "Ebba"}, OPEN),
        (
            {"context": ["Keeper Ebba.", " ", "A lamp."], "answer": "Ebba"},
            OpenItem("Keeper Ebba.\n\nA lamp.\n\nWho keeps it?", "Ebba"),
        ),
        ({"passage": "Keeper Ebba.", "answer": "Ebba"}, OpenItem("Keeper Ebba.\n\nWho keeps it?", "Ebba")),
        (
            {"article": "Keeper Ebba.", "options": NAMES, "answer": "B"},
            ChoiceItem("Keeper Ebba.\n\nWho keeps it?", NAMES, 1),
        ),
    ],
)
def test_items_are_read_in_the_forms_that_there_are(
    tmp_path: Path, record: dict[str, Any], item: Item
) -> None:
    assert read(tmp_path, Q | record) == item
    skill = SkillConfig(name="keeper", path=str(tmp_path / "items.jsonl"))
    names = {metric.name for metric in declared_metrics(CapabilityConfig(skills=(skill,)))}
    assert ("keeper_f1" in names) == isinstance(item, OpenItem)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"options": NAMES, "answer": "D"}, "the index of an option, 0 to 2, its letter or its text"),
        ({"options": NAMES, "answer": "Tulloch"}, "its letter or its text"),
        ({"options": NAMES, "answer": True}, "its letter or its text"),
        ({"options": NAMES, "answers": ["A", "B"]}, "several right options"),
        (
            {"options": ["C", "A", "B"], "answer": "A"},
            "the letter of an option and the text of",
        ),
        ({"choices": "Airdrie, Ebba", "answer": "B"}, "its options are not a list of texts"),
        ({"answers": []}, "it has no answer"),
        ({"answer": " "}, "it has no answer"),
        ({"answer": 4}, "without options, its answer must be text"),
    ],
)
def test_what_would_be_asked_in_part_is_refused(tmp_path: Path, record: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=f"items.jsonl:1 is not an item: .*{message}"):
        read(tmp_path, Q | record)


@pytest.mark.parametrize("name", ["context", "passage", "article"])
@pytest.mark.parametrize("passage", ["Keeper Ebba trimmed the lamp.", ["Keeper Ebba.", "The lamp."]])
def test_a_question_with_a_passage_is_asked_as_it_is_trained_on(
    tmp_path: Path, name: str, passage: Any
) -> None:
    record = {name: passage, **Q, "answers": ["Ebba", "Keeper Ebba"]}
    pair = FORMATS["question"].make(record, TASK)
    item = read(tmp_path, record)
    assert isinstance(pair, Pair)
    assert isinstance(item, OpenItem)
    assert (item.question, item.answer) == (pair.prompt, pair.completion)
    assert "Keeper Ebba" in item.question


def test_what_is_no_passage_is_not_asked_and_the_plan_says_that_it_is_not_trained_on(tmp_path: Path) -> None:
    record = {**Q, "article": {"title": ["Log"]}, "answer": "Ebba", "answers": [*NAMES]}
    pair = FORMATS["question"].make(record, TASK)
    assert isinstance(pair, Pair)
    assert (pair.prompt, pair.completion) == (Q["question"], "Ebba")
    assert read(tmp_path, record) == OPEN
    assert unused_fields([record], TASK, FORMATS["question"]) == ("article", "answers")
    with pytest.raises(WrongRecord, match="has an object instead of text in the field 'context'"):
        FORMATS["question"].make({**Q, "context": {"title": ["Log"]}, "answer": "Ebba"}, TASK)


def test_what_is_asked_says_no_more_than_before_of_items_with_one_answer(tmp_path: Path) -> None:
    assert asked(read(tmp_path, Q | {"answer": "Ebba"})) == Q | {"answer": "Ebba"}
    assert asked(read(tmp_path, Q | {"answers": ["Ebba", "E."]}))["others"] == ("E.",)
