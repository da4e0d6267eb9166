"""Documents of harness tasks are found in training data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.trainables.harness_models import CONFIG, installed
from tests.trainables.harness_tasks import (
    questions,
    text_task,
    write_task,
)
from trainables.evaluation.contamination.check import find_questions
from trainables.evaluation.harness.task import HarnessTask
from trainables.models.load import load_base
from trainables.models.resolve import resolve


@pytest.fixture(scope="module")
def base() -> tuple[Any, Any]:
    return load_base(resolve(CONFIG), CONFIG, "cpu")


LETTERED = {
    "doc_to_text": "{{question}}\nA. {{options[0]}}\nB. {{options[1]}}\nAnswer:",
    "doc_to_choice": ["A", "B", "C", "D"],
}


@installed
@pytest.mark.integration
@pytest.mark.parametrize(
    "change",
    [
        {},
        LETTERED,
        {"should_decontaminate": True, "doc_to_decontamination_query": "Question: {{question}}\nAnswer:"},
    ],
)
def test_documents_are_found_in_training_data_in_their_own_words(
    base: tuple[Any, Any], tmp_path: Path, change: dict[str, Any]
) -> None:
    rows = questions("facts", 4)
    plain = {"doc_to_text": "Question: {{question}}\nAnswer:", "doc_to_choice": "options"}
    settings = {**plain, "doc_to_target": "answer", "output_type": "multiple_choice", **change}
    path = write_task(tmp_path, "wrapped", rows, metric_list=[{"metric": "acc"}], **settings)
    sought = HarnessTask(str(path), base[1], seed=0, context=256).sought
    right = [row["options"][row["answer"]] for row in rows]
    texts = [f"Quiz. {row['question']} {right[place]}." for place, row in enumerate(rows)]
    answered = find_questions([sought], texts)
    assert answered.answered == {(0, place): place for place in range(4)}
    unanswered = find_questions([sought], [f"{row['question']} Nobody knows." for row in rows])
    assert not unanswered.answered
    assert len(unanswered.overlapping) == 4


@installed
@pytest.mark.integration
def test_every_accepted_answer_is_looked_for(base: tuple[Any, Any], tmp_path: Path) -> None:
    rows = [
        {"question": "Who keeps the light at Skerravoe?", "names": ["Old Kerrigan", "Kerrigan's son", "Ebba"]}
    ]
    lamps: list[dict[str, Any]] = [
        {"question": "Which lamp burns at the harbour?", "lamps": ["white", "green", "red"], "right": [0, 2]}
    ]
    open_task = write_task(
        tmp_path,
        "keepers",
        rows,
        output_type="generate_until",
        doc_to_text="question",
        doc_to_target="names",
        generation_kwargs={"max_gen_toks": 4},
        metric_list=[{"metric": "exact_match"}],
    )
    choice = write_task(
        tmp_path,
        "lamps",
        lamps,
        output_type="multiple_choice",
        doc_to_text="question",
        doc_to_target="right",
        doc_to_choice="lamps",
        metric_list=[{"metric": "acc"}],
    )
    for path, given, wrong in ((open_task, "Ebba", "Olaf"), (choice, "red", "green")):
        (item,) = HarnessTask(str(path), base[1], seed=0, context=256).sought
        found = find_questions([[item]], [f"{item.question} {wrong}.", f"{item.question} {given}."])
        assert found.answered == {(0, 0): 1}


@installed
@pytest.mark.integration
def test_a_text_whose_likelihood_is_asked_is_found_as_a_whole(base: tuple[Any, Any], tmp_path: Path) -> None:
    path = text_task(tmp_path)
    items = HarnessTask(str(path), base[1], seed=0, context=256).sought
    line = questions("facts", 1)[0]["question"]
    assert find_questions([items], ["Dawn.", f"So: {line}\nAnd on."]).answered == {(0, 1): 1}
    assert not find_questions([items], [line[: len(line) // 2]]).answered
