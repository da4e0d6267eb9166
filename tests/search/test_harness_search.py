"""A whole search whose capability is a task of lm-evaluation-harness."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from analysis.report import write_report
from analysis.summary import write_summary
from search.record import BaselineMeasured, Event, RungReached, read_events
from search.tracking.mlflow_projection import Projection
from tests.one_process import run_here
from tests.searches import assert_every_trial_finished_once
from tests.trainables.harness_models import CONFIG, installed, theirs
from tests.trainables.harness_tasks import choice_task

pytestmark = [pytest.mark.integration, installed]

TASK = "facts_1"
OTHERS = ("acc_norm", "acc_bytes", "brier_score", "mcc")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a search has asked a local task file over a local file."""
    folder = tmp_path_factory.mktemp("harness")
    path = choice_task(folder, 1, count=10)
    words = ["space=demo", f"capability=lm_eval:{path}", "trials=2", "budget.steps=9", f"out={folder}"]
    run = run_here(*words, "confirm.candidates=0")
    write_summary(run.state, run.folder)
    write_report(run.state, run.folder)
    return folder


@pytest.fixture(scope="module")
def events(folder: Path) -> list[Event]:
    return list(read_events(folder / "demo"))


def base_measured(events: list[Event]) -> BaselineMeasured:
    (found,) = [event for event in events if isinstance(event, BaselineMeasured)]
    return found


def test_the_record_has_the_base_models_scores_as_the_harness_has_them(
    folder: Path, events: list[Event]
) -> None:
    from trainables.models.load import load_base
    from trainables.models.resolve import resolve

    samples = theirs(load_base(resolve(CONFIG), CONFIG, "cpu"), folder / f"{TASK}.yaml", seed=0)
    results = samples[0]["results"]
    base = base_measured(events)
    assert base.items[TASK] == "".join("01"[int(sample["acc"])] for sample in samples)
    assert base.metrics["capability"] == base.metrics[f"{TASK}_harness"] == results["acc,none"]
    for metric in OTHERS:
        assert base.metrics[f"{TASK}_{metric}"] == pytest.approx(results[f"{metric},none"], rel=1e-4)
    assert base.intervals[f"{TASK}_brier_score"].n == len(samples) == 10
    rows = scored(folder, base.items_file)
    for row, sample in zip(rows["harness"], samples, strict=True):
        assert row["question"] == sample["doc"]["question"] + " Answer: "
        assert (row["outcome"] == "right") == bool(sample["acc"])
        assert row["values"] == pytest.approx([value[0][0] for value in sample["resps"]], abs=1e-3)
    assert [row["values"][0] for row in rows["harness:brier_score"]] == [
        sample["brier_score"][0] for sample in samples
    ]


def scored(folder: Path, name: str | None) -> dict[str, list[dict[str, Any]]]:
    """The rows of a file of results item by item, by way of scoring."""
    assert name is not None
    rows = pq.read_table(folder / "demo" / name).to_pylist()
    ways = {row["scoring"] for row in rows if row["skill"] == TASK}
    return {way: [row for row in rows if row["scoring"] == way] for way in ways}


def test_every_rung_of_every_trial_is_scored(folder: Path, events: list[Event]) -> None:
    assert_every_trial_finished_once(events, 2)
    base = base_measured(events)
    rungs = [event for event in events if isinstance(event, RungReached)]
    assert {event.trial for event in rungs} == {0, 1}
    for event in rungs:
        assert event.metrics["capability"] == event.items[TASK].count("1") / 10
        assert event.metrics["retention"] == event.metrics["capability"] / base.metrics["capability"]
        assert event.intervals.keys() >= {f"{TASK}_harness", f"{TASK}_acc_norm", f"{TASK}_brier_score"}
        assert event.eval_parts["harness"] > 0
        rows = scored(folder, event.items_file)
        assert rows.keys() == {"harness", *(f"harness:{metric}" for metric in OTHERS)}
        assert all(len(own) == 10 for own in rows.values())


def test_the_summary_the_report_and_mlflow_have_them(folder: Path, events: list[Event]) -> None:
    summary = json.loads((folder / "demo" / "summary.json").read_text())
    own, base = summary["baselines"]["base"], base_measured(events)
    for metric in (f"{TASK}_harness", f"{TASK}_brier_score"):
        assert own["metrics"][metric] == base.metrics[metric]
        assert own["intervals"][metric] == base.intervals[metric]._asdict()
    cards = json.loads((folder / "demo" / "report" / "report.json").read_text())["cards"]
    assert not {name: card["message"] for name, card in cards.items() if card["state"] == "error"}
    projection = Projection()
    for event in events:
        projection.apply(event)
    logged = [{point.key for point in run.points} for run in projection.runs.values()]
    measured = [keys for keys in logged if "capability" in keys]
    assert len(measured) == 3  # the base model and two trials
    for keys in measured:
        assert {f"{TASK}_{metric}" for metric in ("harness", *OTHERS)} <= keys
        assert {f"{TASK}_harness_low", f"{TASK}_brier_score_high"} <= keys
