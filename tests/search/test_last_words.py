"""What a search that has ended says can be done next: each line is right under the configuration."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from search.config.load import load_config
from search.record import SearchEnded, SearchState, read_events
from search.record.files import EVENTS
from search.run import main
from search.tracking.process import tracking_environment
from tests.records import BEGIN, opening_events, trial_events, write_record
from tests.search.config_files import write_space
from tests.searches import assert_mlflow_holds

OFF = "tracking.enabled=false"
METRICS = {"train_loss": 1.0, "retention": 1.0}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_space(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def last_words(capsys: pytest.CaptureFixture[str], *words: str, metrics: dict[str, float]) -> dict[str, str]:
    """What the same command prints of a search whose trials are done; the record is made as it was run."""
    words = ("space=space.yaml", "name=mine", "budget.steps=90", "confirm.candidates=0", *words)
    config = load_config(list(words)).config
    points = [(lr, rank) for lr in (1e-4, 1e-2) for rank in (2, 4)][: config.trials]
    trials = [
        event
        for number, (lr, rank) in enumerate(points)
        for event in trial_events(number, metrics, sampled={"lr": lr, "rank": rank})
    ]
    ended = SearchEnded(reason="finished", time=BEGIN + 3600)
    write_record(Path(config.out) / "mine", [*opening_events(config), *trials, ended])
    assert main([*words]) == 0
    lines = capsys.readouterr().out.splitlines()
    steps = ("Adapter", "Report", "MLflow", "Extend", "Resume")
    found = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines if line.startswith(steps)}
    return found | {"all": " ".join(" ".join(lines).split())}


def test_mlflow_is_offered_where_the_search_is_in_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "runs").mkdir()
    (folder / "runs" / "mlflow.db").touch()
    found = last_words(capsys, "trials=2", OFF, metrics=METRICS)
    assert "MLflow" not in found
    assert found["Extend"].endswith("tracking.enabled=false trials=4")
    assert "Resume" not in found


def test_the_command_of_a_search_that_has_ended_mends_what_a_kill_left_of_mlflow(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last_words(capsys, "trials=3", "tracking.enabled=false", metrics=METRICS)
    record = folder / "runs" / "mine"
    words = ["space=space.yaml", "name=mine", "budget.steps=90", "confirm.candidates=0", "trials=3"]
    # As after kills of the driver and of the tracking process: the end is recorded, MLflow has the beginning.
    whole = (record / EVENTS).read_bytes()
    (record / EVENTS).write_bytes(b"".join(whole.splitlines(keepends=True)[:6]))
    environment = tracking_environment(os.environ, load_config(words).config.tracking)
    project = [sys.executable, "-m", "search.tracking", str(record)]
    subprocess.run(project, env=environment, check=True, capture_output=True)
    (record / EVENTS).write_bytes(whole)
    (record / ".ray").mkdir()
    state = SearchState.from_events(read_events(record))
    uri = f"sqlite:///{folder / 'runs' / 'mlflow.db'}"
    with pytest.raises(AssertionError):
        assert_mlflow_holds(uri, state)
    assert main(words) == 0
    output = capsys.readouterr().out
    assert "bringing MLflow up to date" in output
    assert "mlflow.db" in output, "and it is offered"
    assert_mlflow_holds(uri, state)
    assert not (record / ".ray").exists()
    assert main(words) == 0
    assert "MLflow up to date" not in capsys.readouterr().out


def test_a_grid_that_is_done_is_not_extended(capsys: pytest.CaptureFixture[str]) -> None:
    found = last_words(capsys, "searcher=grid", "trials=4", OFF, metrics=METRICS | {"retention": 0.1})
    assert "Extend" not in found
    assert "this one has no more configurations" in found["all"], found["all"]
    assert "larger trials" not in found["all"]


def test_a_grid_that_is_not_done_is_extended(capsys: pytest.CaptureFixture[str]) -> None:
    assert last_words(capsys, "searcher=grid", "trials=3", OFF, metrics=METRICS)["Extend"].endswith(
        " trials=6"
    )


def test_what_a_limit_ended_is_extended_by_the_limit(capsys: pytest.CaptureFixture[str]) -> None:
    found = last_words(capsys, "trials=2", "limits.hours=0.9", OFF, metrics=METRICS | {"retention": 0.1})
    assert found["Extend"].endswith(" limits.hours=1.8")
    assert "with a larger limits.hours=" in found["all"]
    assert "larger trials" not in found["all"]
