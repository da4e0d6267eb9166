"""Documents of harness tasks are found in training data."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from tests.trainables.harness_models import CONFIG, installed
from tests.trainables.harness_tasks import (
    questions,
    text_task,
    write_task,
)
from trainables.errors import UserError
from trainables.evaluation.contamination.check import refuse_training_items
from trainables.evaluation.harness.task import HarnessTask
from trainables.models.load import load_base
from trainables.models.resolve import resolve
from trainables.settings import SkillConfig, TaskConfig


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
@pytest.mark.parametrize("shape", ["text", "completion"])
def test_documents_are_found_in_training_data_in_their_own_words(
    base: tuple[Any, Any], tmp_path: Path, change: dict[str, Any], shape: Literal["text", "completion"]
) -> None:
    rows = questions("facts", 4)
    plain = {"doc_to_text": "Question: {{question}}\nAnswer:", "doc_to_choice": "options"}
    settings = {**plain, "doc_to_target": "answer", "output_type": "multiple_choice", **change}
    path = write_task(tmp_path, "wrapped", rows, metric_list=[{"metric": "acc"}], **settings)
    task = HarnessTask(str(path), base[1], seed=0, context=256)
    skill = SkillConfig(name="wrapped", path=f"lm_eval:{path}", scoring=("harness",))
    (tmp_path / "train.jsonl").write_text("{}")
    tuned = TaskConfig(name="tuned", train=str(tmp_path / "train.jsonl"), format=shape)
    right = [row["options"][row["answer"]] for row in rows]
    records = [
        {"prompt": row["question"], "completion": answer, "text": f"Quiz. {row['question']} {answer}."}
        for row, answer in zip(rows, right, strict=True)
    ]
    with pytest.raises(UserError, match="4 of its 4 questions are in the training data"):
        refuse_training_items([(skill, task.sought)], tuned, records)
    other = [{**record, "completion": "Nobody knows.", "text": "Nobody knows."} for record in records]
    if shape == "completion":  # perhaps the same in other words
        with pytest.raises(UserError, match=r"4 of its 4 .* with another answer in record 1 of"):
            refuse_training_items([(skill, task.sought)], tuned, other)
        other = [
            {"prompt": f"Scene {place}. {record['prompt']} Go on.", "completion": "Nobody knows."}
            for place, record in enumerate(records)
        ]
    refuse_training_items([(skill, task.sought)], tuned, other)


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
    task = TaskConfig(name="tuned", train="embedded:domain_train.jsonl")
    for path, given, wrong in ((open_task, "Ebba", "Olaf"), (choice, "red", "green")):
        (item,) = HarnessTask(str(path), base[1], seed=0, context=256).sought
        skill = SkillConfig(name="asked", path=f"lm_eval:{path}", scoring=("harness",))
        with pytest.raises(UserError, match=r"1 of its 1 .* with a right answer in record 1"):
            refuse_training_items([(skill, [item])], task, [{"text": f"{item.question} It is {given}."}])
        refuse_training_items([(skill, [item])], task, [{"text": f"{item.question} It is {wrong}."}])


@installed
@pytest.mark.integration
def test_a_text_whose_likelihood_is_asked_is_found_as_a_whole(base: tuple[Any, Any], tmp_path: Path) -> None:
    path = text_task(tmp_path)
    items = HarnessTask(str(path), base[1], seed=0, context=256).sought
    skill = SkillConfig(name="texts", path=f"lm_eval:{path}", scoring=("harness",), at="last")
    task = TaskConfig(name="tuned", train="embedded:domain_train.jsonl")
    line = questions("facts", 1)[0]["question"]
    with pytest.raises(UserError, match=r"1 of its 3 .* in record 2"):
        refuse_training_items([(skill, items)], task, [{"text": "Dawn."}, {"text": f"So: {line} And on."}])
    refuse_training_items([(skill, items)], task, [{"text": line[: len(line) // 2]}])
