"""Two workers, each with its share of the work, come to what one comes to, under each ZeRO stage."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trainables import conforming, sharded_packs
from tests.trainables.harness_groups import answers, settings
from tests.trainables.harness_models import installed
from tests.trainables.harness_tasks import choice_task, generation_task, graded_task
from tests.trainables.workers import run_workers
from tests.trainables.workers_run import cases

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("group_of_one", "plugins")]


def partly_graded(folder: Path) -> Path:
    """A task that cannot be scored for one document, which is of the second worker's share."""
    path = graded_task(folder)
    grading = "def grade(doc, results):\n    return {'acc': 0.5 if doc['odd'] else 1.0}\n"
    (folder / "grading.py").write_text(grading)
    rows = [json.loads(line) for line in (folder / "graded.jsonl").read_text().splitlines()]
    marked = [{**row, "odd": place == 1} for place, row in enumerate(rows)]
    (folder / "graded.jsonl").write_text("".join(json.dumps(row) + "\n" for row in marked))
    return path


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> list[list[str]]:
    """Task files that groups ask, by group; none without the harness."""
    if importlib.util.find_spec("lm_eval") is None:
        return []
    folder = tmp_path_factory.mktemp("tasks")
    answered = [choice_task(folder, 1, count=5), generation_task(folder, count=3)]
    return [[str(path) for path in answered], [str(partly_graded(folder))]]


@pytest.fixture(scope="module")
def two(
    plugins: None, tasks: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """What came out of each of two workers."""
    folder = tmp_path_factory.mktemp("two")
    run_workers("workers_run.py", str(folder), json.dumps(tasks))
    return [json.loads((folder / f"worker{rank}.json").read_text()) for rank in range(2)]


@pytest.fixture(scope="module")
def packs(group_of_one: None) -> dict[str, dict[str, Any]]:
    """What one worker trains under each stage."""
    return {stage: sharded_packs.train(stage) for stage in sharded_packs.STAGES}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("stage", sharded_packs.STAGES)
def test_losses_do_not_depend_on_stage_or_workers(
    stage: str, workers: int, packs: dict[str, dict[str, Any]], two: list[dict[str, Any]]
) -> None:
    quantised = sharded_packs.QUANTISED if sharded_packs.QUANTISED in stage else ""
    alone, report = packs[f"0{quantised}"], (packs if workers == 1 else two[0]["packs"])[stage]
    np.testing.assert_allclose(report["losses"], alone["losses"], rtol=1e-4)
    np.testing.assert_allclose(report["logits"], alone["logits"], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(report["base"], alone["base"], rtol=1e-5, atol=1e-6)
    assert report["words"] == [1] * workers
    assert report.get("why_apart") is None
    assert not report["whole_logits"]


def test_trials_change_the_adapter_and_leave_the_base_as_it_was(packs: dict[str, dict[str, Any]]) -> None:
    alone = packs["0"]
    assert alone["base_after"] == alone["base"]
    for logits in alone["logits"]:
        assert not np.allclose(logits, alone["base"][0], atol=1e-2)


@pytest.mark.parametrize("trainable", conforming.PARAMS)
def test_every_trainable_measures_and_trains_alike(
    trainable: str, two: list[dict[str, Any]], tmp_path: Path
) -> None:
    server = conforming.serving(conforming.settings(trainable, tmp_path))
    replies = [conforming.baseline(server), conforming.train(server, conforming.first_request(trainable))]
    for stage in (stage for name, stage in cases() if name == trainable):
        for mine, theirs in zip(replies, two[0]["trainables"][f"{trainable}{stage}"], strict=True):
            assert theirs == pytest.approx(conforming.numbers(mine), rel=1e-3, abs=1e-5), stage


@pytest.fixture(scope="module")
def alone(
    group_of_one: None, tasks: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> list[list[dict[str, Any]]]:
    """Answers of one worker, by group: of the base model and of two trials."""
    folder = tmp_path_factory.mktemp("alone")
    return [[reply.model_dump() for reply in answers(settings(folder, 0, *asked))] for asked in tasks]


@installed
def test_both_answer_tasks_of_the_harness_as_one_does(
    alone: list[list[dict[str, Any]]], two: list[dict[str, Any]]
) -> None:
    for scored, refused in (worker["tasks"] for worker in two):
        assert [reply["outcome"] for reply in scored] == ["ok"] * 3
        for reply, expected in zip(scored, alone[0], strict=True):
            assert reply["items"] == expected["items"]
            assert reply["metrics"] == pytest.approx(expected["metrics"], rel=1e-4, abs=1e-5)
            assert reply["intervals"].keys() == expected["intervals"].keys()
        assert {"facts_1_harness", "facts_1_mcc", "sums_exact_match_plain"} <= scored[0]["metrics"].keys()
        assert all("facts_1_brier_score_change" in reply["metrics"] for reply in scored[1:])
        assert len(scored[0]["items"]["facts_1"]) == 5
        expected_refusals = [("user", alone[1][0]["message"])] * 3
        assert [(reply["outcome"], reply["message"]) for reply in refused] == expected_refusals
    assert "acc of the task" in alone[1][0]["message"]
    assert "is 0.5 for a document" in alone[1][0]["message"]
