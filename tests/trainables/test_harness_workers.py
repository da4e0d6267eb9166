"""Two workers, each with its share of a task's documents, answer as one does, and as one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.trainables.harness_models import installed
from tests.trainables.harness_run import answers, settings
from tests.trainables.harness_tasks import choice_task, generation_task, graded_task
from tests.trainables.test_zero import ROOT, free_port

Answers = list[dict[str, Any]]
TIMEOUT = 180


def serve(folder: Path, stage: int, groups: list[list[Path]]) -> list[list[Answers]]:
    """Each of two workers' answers, by group: of the base model and of two trials."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2",
        "--master-addr=127.0.0.1", f"--master-port={free_port()}",
        str(ROOT / "tests" / "trainables" / "harness_run.py"), str(folder), str(stage),
        json.dumps([[str(path) for path in paths] for paths in groups]),
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        _, errors = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        process.terminate()  # and it ends the workers
        _, errors = process.communicate()
        raise AssertionError(f"the workers did not end in {TIMEOUT} s:\n{errors[-3000:]}") from None
    assert process.returncode == 0, errors[-3000:]
    return [json.loads((folder / f"worker{rank}.json").read_text()) for rank in range(2)]


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
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[list[Path]]:
    folder = tmp_path_factory.mktemp("tasks")
    return [[choice_task(folder, 1, count=5), generation_task(folder, count=3)], [partly_graded(folder)]]


@pytest.fixture(scope="module")
def alone(
    group_of_one: None, paths: list[list[Path]], tmp_path_factory: pytest.TempPathFactory
) -> list[Answers]:
    folder = tmp_path_factory.mktemp("alone")
    own = [answers(settings(folder, 0, *map(str, asked))) for asked in paths]
    return [[one.model_dump() for one in each] for each in own]


@installed
@pytest.mark.integration
@pytest.mark.parametrize("stage", [0, 3])
def test_two_workers_answer_as_one(
    alone: list[Answers], paths: list[list[Path]], tmp_path: Path, stage: int
) -> None:
    workers = serve(tmp_path, stage, paths)
    for scored, refused in workers:
        assert [one["outcome"] for one in scored] == ["ok"] * 3
        for own, expected in zip(scored, alone[0], strict=True):
            assert own["items"] == expected["items"]
            assert own["metrics"] == pytest.approx(expected["metrics"], rel=1e-4, abs=1e-5)
            assert own["intervals"].keys() == expected["intervals"].keys()
        assert {"facts_1_harness", "facts_1_mcc", "sums_exact_match_plain"} <= scored[0]["metrics"].keys()
        assert all("facts_1_brier_score_change" in one["metrics"] for one in scored[1:])
        assert len(scored[0]["items"]["facts_1"]) == 5
        assert [(one["outcome"], one["message"]) for one in refused] == [("user", alone[1][0]["message"])] * 3
    assert "acc of the task" in alone[1][0]["message"]
    assert "is 0.5 for a document" in alone[1][0]["message"]
