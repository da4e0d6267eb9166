"""MLflow as a projection of the record, against real SQLite stores."""

from __future__ import annotations

import json
import math
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient

from search.config.schema import TrackingConfig
from search.record import (
    Decided,
    Failed,
    RungReached,
    SearchEnded,
    SessionStarted,
    TrialFinished,
    TrialProposed,
)
from search.record.events import JudgedMean
from search.record.files import EVENTS
from search.tracking.follower import Shipper, project
from search.tracking.mlflow_limits import key
from search.tracking.process import tracking_environment
from search.tracking.store import database_problem
from search.tracking.ui import ui_command
from search.tracking.writer import POINTS
from tests.hostile import HOSTILE, PIECES, hostile_events
from tests.mlflow_runs import STATUSES, Held, RecordBuilder, client_of, full_search, held, records, runs_of
from tests.records import write_record
from trainables.interval import Interval
from trainables.text import printable

pytestmark = pytest.mark.integration

SECRET_URL = "http://user:pa%40ss@mlflow.example:5000/base"


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file without runs; making one takes seconds, copying it nothing."""
    folder = tmp_path_factory.mktemp("store")
    client_of(folder).search_experiments()
    # With a write-ahead log each commit costs one wait for the disk, not three.
    assert database_problem(folder / "mlflow.db") is None, "a new search may go on with what MLflow has made"
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder / "mlflow.db"


@pytest.fixture
def out(empty_store: Path, tmp_path: Path) -> Path:
    """A folder for searches, with an empty store."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in tracking_environment({}).items():
        monkeypatch.setenv(name, value)


def test_hostile_text_is_held_as_text_that_steers_no_terminal(out: Path) -> None:
    write_record(out / "hostile", hostile_events())
    project(out / "hostile")
    runs = held(client_of(out))
    spelled = printable(HOSTILE)
    assert "\x1b" not in spelled
    assert runs[spelled].params["task.name"] == spelled
    assert runs[spelled].tags["tightrope.message"] == spelled
    trial = runs["trial-0000"]
    assert trial.params["word"] == PIECES["HTML"]
    assert trial.tags["tightrope.reason"] == trial.tags["tightrope.decision_reason"] == spelled


def test_a_search_is_shown_as_one_parent_with_a_run_per_trial_and_baseline(out: Path) -> None:
    folder = full_search().write(out)
    project(folder)
    runs = held(client_of(out))
    assert set(runs) == {"one", "base", "trial-0000", "trial-0001", "trial-0002"}
    assert {name: run.status for name, run in runs.items()} == {
        "one": "KILLED",
        "base": "FINISHED",
        "trial-0000": "FINISHED",
        "trial-0001": "FINISHED",
        "trial-0002": "KILLED",
    }
    assert {run.tags.get("mlflow.parentRunId") for run in runs.values()} == {None, "one"}
    trial = runs["trial-0000"]
    assert trial.params == {"lr": "0.001", "rank": "8", "target": "attention", "rslora": "True"}
    rung_times = [1_700_000_000_070, 1_700_000_000_120]
    assert trial.history["train_loss"] == [(10, rung_times[0], "2.0"), (30, rung_times[1], "1.5")]
    assert trial.history["retention_low"] == [(10, rung_times[0], "0.8")]
    assert trial.history["retention_high"] == [(10, rung_times[0], "1.0")]
    assert trial.history["train_loss_curve"] == [(1, rung_times[0], "3.0"), (5, rung_times[0], "2.5")]
    assert (trial.start, trial.end) == (1_700_000_000_040, 1_700_000_000_130)
    expected = {
        "tightrope.status": "completed",
        "tightrope.decision": "completed",
        "tightrope.decision_reason": "because completed",
        "tightrope.reason": "because completed",
        "tightrope.origin": "searcher",
        "tightrope.seed": "7",
        "tightrope.git_commit": "c0ffee",
        "tightrope.fingerprint.space": "s" * 64,
        "tightrope.fingerprint.model": "m" * 64,
        "tightrope.fingerprint.data": "d" * 64,
    }
    assert expected.items() <= trial.tags.items()
    assert runs["trial-0002"].tags["tightrope.status"] == "unfinished"
    parent = runs["one"]
    assert parent.tags["tightrope.fingerprint.data"] == "d" * 64, "found out after the search began"
    assert (parent.tags["tightrope.groups"], parent.tags["tightrope.slots"]) == ("1", "2")
    # The trial with the lower loss is below the floor of retention.
    assert [value for _, _, value in parent.history["best_feasible_train_loss"]] == ["2.0", "1.5"]
    assert [value for _, _, value in parent.history["trials_running"]] == [
        "1.0",
        "2.0",
        "3.0",
        "2.0",
        "1.0",
        "0.0",
    ]
    assert parent.history["trials_unfinished"][-1][2] == "1.0"


def test_repetitions_pauses_and_confirmation_reach_the_store(out: Path) -> None:
    record = RecordBuilder()
    record.start()
    record.session()
    record.propose(0, {"lr": 0.1})
    record.rung(0, 0, {"train_loss": 2.0, "retention": 1.0})
    record.finish(0, "completed")
    record.propose(1, {"lr": 0.2})
    record.rung(1, 0, {"train_loss": 2.5, "retention": 1.0})
    record.add(Decided, trial=1, rung=0, decision="pause", by="scheduler", reason="rank 2 of 2")
    project(record.write(out))
    client = client_of(out)
    assert held(client)["trial-0001"].tags["tightrope.status"] == "paused"
    record.finish(1, "stopped")
    for number, loss in ((2, 2.0), (3, 2.2)):
        record.repeat(number, 0)
        record.rung(number, 0, {"train_loss": loss, "retention": 1.0})
        record.finish(number, "completed")
    means = {0: {"train_loss": JudgedMean(mean=2.1, n=2, low=1.0, high=3.2)}}
    record.add(SearchEnded, reason="finished", recommended=0, confirmed=means)
    project(record.write(out))
    runs = held(client)
    tags = runs["trial-0003"].tags
    assert (tags["tightrope.repeats"], tags["tightrope.repeats_run"]) == ("0", "trial-0000")
    assert runs["trial-0001"].status == "FINISHED"
    for name in ("one", "trial-0000"):
        assert float(runs[name].history["confirmed_train_loss"][0][2]) == pytest.approx(2.1)
    assert runs["one"].history["trials_completed"][-1][2] == "1.0"
    project(record.write(out))
    assert held(client) == runs


def test_the_page_of_a_search_has_its_runs_its_objectives_and_what_is_recommended(out: Path) -> None:
    record = RecordBuilder()
    record.start(parameters={"lr": {}, "ra`nk": {}})
    record.session()
    for number in range(2):
        record.propose(number, {"lr": 1e-3})
        metrics = {"capability": 0.5, "retention": 0.95, "train_loss": 2.0}
        record.rung(
            number, 0, metrics, curve=[(1, 3.0)], intervals={"retention": Interval(low=0.9, high=1.0, n=9)}
        )
        record.finish(number, "completed")
    record.add(SearchEnded, reason="finished", recommended=0)
    folder, client = record.write(out), client_of(out)
    page = project(folder).page
    runs = held(client)
    assert "trial 0" in runs["one"].tags["mlflow.note.content"]
    assert runs["trial-0000"].tags["tightrope.recommended"] == "yes"
    assert "tightrope.recommended" not in runs["trial-0001"].tags

    experiment = client.get_experiment_by_name("tightrope")
    assert experiment is not None
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    view = json.loads(experiment.tags["mlflow.sharedViewState.id-of-one"])
    assert [name for name in view["selectedColumns"] if name.startswith(("metrics", "params"))] == [
        "metrics.`train_loss`",
        "metrics.`retention`",
        "params.`lr`",
    ]
    assert len(client.search_runs([experiment.experiment_id], view["searchFilter"])) == 3
    assert page.endswith("/runs?workflowType=machine_learning&viewStateShareKey=id-of-one")
    opened = ui_command(folder, TrackingConfig())
    assert opened is not None
    assert opened.endswith(f"--host 127.0.0.1  # then http://127.0.0.1:5000/{page}")

    # What a user chooses in the meantime stays; what is no longer recommended says so.
    client.set_experiment_tag(experiment.experiment_id, "mlflow.experimentKind", "finetuning")
    record.session()
    record.add(SearchEnded, reason="finished", recommended=1)
    project(record.write(out))
    assert client.get_experiment(experiment.experiment_id).tags["mlflow.experimentKind"] == "finetuning"
    tags = {name: run.tags.get("tightrope.recommended") for name, run in held(client).items()}
    assert tags == {"one": "1", "trial-0000": "no longer", "trial-0001": "yes"}
    record.session()
    record.add(SearchEnded, reason="finished", recommended=None)
    project(record.write(out))
    tags = {name: run.tags.get("tightrope.recommended") for name, run in held(client).items()}
    assert tags == {"one": "none", "trial-0000": "no longer", "trial-0001": "no longer"}


def test_an_interrupted_trial_runs_again_on_resume_and_ends_once(out: Path) -> None:
    record = full_search()
    project(record.write(out))
    record.session()
    project(record.write(out))
    runs = held(client_of(out))
    assert [runs[name].status for name in ("one", "trial-0002", "trial-0001")] == [
        "RUNNING",
        "RUNNING",
        "FINISHED",
    ]
    assert runs["trial-0002"].tags["tightrope.status"] == "running"
    record.add(Failed, trial=2, failure_class="worker_lost", message="gone")
    record.finish(2, "failed")
    record.add(SearchEnded, reason="finished", recommended=0)
    project(record.write(out))
    runs = held(client_of(out))
    assert [runs[name].status for name in ("one", "trial-0002")] == ["FINISHED", "FAILED"]
    assert runs["trial-0002"].tags["tightrope.failure_class"] == "worker_lost"
    assert runs["one"].tags["tightrope.recommended"] == "0"
    assert "RUNNING" not in {run.status for run in runs.values()}


def test_trials_of_a_killed_driver_are_not_left_running(out: Path) -> None:
    record = RecordBuilder()
    record.start()
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    record.add(SessionStarted, session=0, trials=1, command="", host=platform.node(), pid=ended.pid)
    record.propose(0, {"lr": 0.1})
    project(record.write(out))
    runs = held(client_of(out))
    assert {run.status for run in runs.values()} == {"KILLED"}
    assert {run.tags["tightrope.status"] for run in runs.values()} == {"unfinished"}


def test_a_run_made_twice_by_a_timed_out_request_becomes_one(out: Path) -> None:
    folder = full_search().write(out)
    project(folder)
    client = client_of(out)
    before = held(client)
    for run in runs_of(client):
        tags = {k: v for k, v in run.data.tags.items() if k != POINTS}
        client.create_run(run.info.experiment_id, run.info.start_time, tags, run.info.run_name)
    project(folder)
    assert len(runs_of(client)) == len(before)
    assert held(client) == before


def test_a_run_that_a_killed_writers_last_request_made_late_becomes_one(out: Path) -> None:
    folder = full_search().write(out)
    project(folder)
    client = client_of(out)
    before = held(client)
    shipper = Shipper(folder)
    shipper.read()
    shipper.ship(last=False)
    for run in runs_of(client):  # what the server does once its client is gone
        tags = {k: v for k, v in run.data.tags.items() if k != POINTS}
        client.create_run(run.info.experiment_id, run.info.start_time, tags, run.info.run_name)
    shipper.ship(last=True)
    assert held(client) == before
    assert len(runs_of(client)) == len(before)


@pytest.mark.integration
def test_runs_whose_writer_was_killed_anywhere_are_completed(out: Path) -> None:
    """Every state a kill can leave is a prefix of the writes; cuts the sequence after each of them."""
    folder = full_search().write(out)
    pristine = out / "pristine.db"
    shutil.copy(out / "mlflow.db", pristine)
    project(folder)
    whole = held(client_of(out))
    total = 3 * len(whole)  # Each run is created, logged to once, and ended.
    for writes in range(1, total, 2):
        place = out / f"cut-{writes}"
        place.mkdir()
        shutil.copy(pristine, place / "mlflow.db")
        shutil.copytree(folder, place / folder.name)
        _project_until_killed(place / folder.name, writes)
        project(place / folder.name)
        assert held(client_of(place)) == whole


class Killed(Exception):
    """Stands for a kill: nothing of ours catches it."""


def _project_until_killed(folder: Path, writes: int) -> None:
    """Ends the projection in front of the write after the first `writes`."""
    left = writes

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            return real(*args, **kwargs)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("create_run", "log_batch", "set_terminated"):
            patch.setattr(MlflowClient, name, counted(getattr(MlflowClient, name)))
        with pytest.raises(Killed):
            project(folder)


def stored(value: float) -> str:
    """How MLflow's SQL store shows a value."""
    if math.isinf(value):
        return repr(math.copysign(sys.float_info.max, value))
    return repr(value + 0.0)  # It has no negative zero.


def check_equal(runs: dict[str, Held], record: RecordBuilder) -> None:
    """That MLflow holds exactly what the record says."""
    ended = isinstance(record.events[-1], SearchEnded)
    proposed = [event for event in record.events if isinstance(event, TrialProposed)]
    assert set(runs) == {"one", "base"} | {f"trial-{event.trial:04d}" for event in proposed}
    for event in proposed:
        run = runs[f"trial-{event.trial:04d}"]
        mine = [other for other in record.events if getattr(other, "trial", None) == event.trial]
        assert run.params == {name: printable(str(value)) for name, value in event.params.items()}
        assert run.start == round(event.time * 1000)
        finished = [other for other in mine if isinstance(other, TrialFinished)]
        if finished:
            assert run.status == STATUSES[finished[0].status]
            assert run.end == round(finished[0].time * 1000)
        else:
            assert run.status == ("KILLED" if ended else "RUNNING")
        expected: dict[str, list[tuple[int, str]]] = {}
        for rung in (other for other in mine if isinstance(other, RungReached)):
            for name, value in rung.metrics.items():
                expected.setdefault(key(name), []).append((rung.step, stored(value)))
        for name, values in expected.items():
            assert [(step, value) for step, _, value in run.history[name]] == values


@pytest.mark.integration
# Shrinking would take minutes: every example is three projections.
@settings(max_examples=10, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(record=records(), data=st.data())
def test_projecting_once_twice_or_in_parts_gives_the_record(
    record: RecordBuilder, data: st.DataObject, empty_store: Path
) -> None:
    cut = data.draw(st.integers(1, len(record.events)), label="cut")
    with tempfile.TemporaryDirectory() as place:
        once, parts = Path(place, "once"), Path(place, "parts")
        for out in (once, parts):
            out.mkdir()
            shutil.copy(empty_store, out / "mlflow.db")
        folder = record.write(once)
        project(folder)
        first = held(client_of(once))
        check_equal(first, record)
        project(folder)
        assert held(client_of(once)) == first
        project(record.write(parts, cut))
        project(record.write(parts))
        assert held(client_of(parts)) == first


@pytest.mark.integration
def test_a_shipper_that_goes_on_gives_the_same_as_a_new_one(out: Path, empty_store: Path) -> None:
    record = full_search()
    tailing = Shipper(out / record.name)
    for count in range(1, len(record.events) + 1):
        record.write(out, count)
        tailing.read()
        tailing.ship(last=False)
    other = out / "other"
    other.mkdir()
    shutil.copy(empty_store, other / "mlflow.db")
    project(record.write(other))
    assert held(client_of(out)) == held(client_of(other))


def test_artifacts_follow_the_search_and_are_renewed_when_they_change(out: Path) -> None:
    record = full_search()
    folder = record.write(out)
    (folder / "c" / "1").mkdir(parents=True)
    (folder / "c" / "1" / "adapter_config.json").write_text("{}")
    (folder / "summary.json").write_text('{"pareto": [0, 1]}')
    (folder / "summary.md").write_text(f"# First, from {SECRET_URL}")
    project(folder)
    client = client_of(out)
    runs = {run.info.run_name: run.info.run_id for run in runs_of(client)}
    assert {file.path for file in client.list_artifacts(runs["one"])} == {
        EVENTS,
        "summary.json",
        "summary.md",
    }
    assert [file.path for file in client.list_artifacts(runs["trial-0000"], "adapter")] == [
        "adapter/adapter_config.json"
    ]
    assert client.list_artifacts(runs["trial-0001"]) == []
    assert list((out / "mlartifacts").rglob("adapter_config.json"))
    copy = Path(client.download_artifacts(runs["one"], "summary.md"))
    assert "pa%40ss" not in copy.read_text()
    (folder / "summary.md").write_text("# Second")
    project(folder)
    assert Path(client.download_artifacts(runs["one"], "summary.md")).read_text() == "# Second"


def test_only_declared_fields_reach_the_store(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "hunter2-from-the-environment")
    record = RecordBuilder()
    record.start(
        tracking={"uri": None}, space=SECRET_URL, undeclared="hunter2-undeclared", model={"name": "tiny"}
    )
    record.session()
    record.propose(0, {"path": "https://user:hunter2@host/x"})
    record.add(Failed, trial=0, failure_class="worker_lost", message="hunter2 in a traceback")
    record.add(SearchEnded, reason="failed", message=f"cannot reach {SECRET_URL}")
    project(record.write(out))
    parent = held(client_of(out))["one"]
    assert parent.params["model.name"] == "tiny"
    assert parent.params["space"] == "http://***@mlflow.example:5000/base"
    with sqlite3.connect(out / "mlflow.db") as database:
        dump = "\n".join(database.iterdump())
    assert "hunter2" not in dump
    assert "pa%40ss" not in dump
    assert not {tag for tag in parent.tags if tag.startswith("mlflow.")} - {
        "mlflow.note.content",
        "mlflow.runName",
        "mlflow.source.git.commit",
        "mlflow.source.name",
        "mlflow.source.type",
    }
    assert parent.tags["mlflow.source.name"] == "tightrope run space=base"
