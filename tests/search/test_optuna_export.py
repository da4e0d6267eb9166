"""The Optuna study of a search."""

from __future__ import annotations

import sqlite3
import warnings
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from search.optuna_export import main
from search.record import Event, RungReached, TrialFinished, TrialProposed
from tests.records import make_config, make_events, opening_events, trial_events, write_record


def export(folder: Path, out: Path) -> int:
    return main([f"search={folder}", f"out={out}"])


def load(out: Path) -> optuna.Study:
    storage = optuna.storages.RDBStorage(f"sqlite:///{out}")
    names = optuna.get_all_study_names(storage)
    assert names == ["demo"], "the study has the name of the search"
    return optuna.load_study(study_name=names[0], storage=storage)


def test_a_whole_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = make_events(12)
    write_record(tmp_path / "demo", events)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert export(tmp_path / "demo", tmp_path / "study.db") == 0
    captured = capsys.readouterr()
    assert f"optuna-dashboard sqlite:///{tmp_path}/study.db" in captured.out
    assert captured.err == ""
    study = load(tmp_path / "study.db")
    assert study.metric_names == ["train_loss", "retention"]
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MAXIMIZE"]
    assert study.user_attrs["base model"]["capability"] == 0.95
    finished = {event.trial: event for event in events if isinstance(event, TrialFinished)}
    proposed = {event.trial: event for event in events if isinstance(event, TrialProposed)}
    assert len(study.trials) == len(proposed)
    states = {"completed": TrialState.COMPLETE, "stopped": TrialState.PRUNED, "diverged": TrialState.FAIL}
    for trial in study.trials:
        assert trial.params == proposed[trial.number].sampled
        assert trial.state == states[finished[trial.number].status]
        assert trial.user_attrs["reason"] == finished[trial.number].reason
    assert {trial.state for trial in study.trials} == set(states.values())
    reached = [event for event in events if isinstance(event, RungReached)]
    for event in reached:
        attributes = study.trials[event.trial].user_attrs
        assert attributes[f"retention at step {event.step}"] == event.metrics["retention"]
        if event.rung == 2:
            assert study.trials[event.trial].values == [
                event.metrics[key] for key in ("train_loss", "retention")
            ]


POINT = {"lr": 1e-3, "rank": 8, "alpha_per_rank": 1}


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> list[FrozenTrial]:
    """Exported: trials that keep the floor, miss it and diverge, and one that still runs."""
    folder = tmp_path_factory.mktemp("export")
    parameters = make_config().parameters | {"switch": {"type": "categorical", "choices": [True, 1]}}
    events: list[Event] = [
        *opening_events(make_config(parameters=parameters)),
        *trial_events(0, {"train_loss": 1.0, "retention": 0.97}, sampled=POINT),
        *trial_events(1, {"train_loss": 1.0, "retention": 0.9}, sampled=POINT),
        *trial_events(2, {"train_loss": float("nan"), "retention": 0.9}, sampled=POINT),
        TrialProposed(trial=3, sampled=POINT | {"switch": 1}, params=POINT),
    ]
    write_record(folder / "demo", events)
    assert export(folder / "demo", folder / "study.db") == 0
    return load(folder / "study.db").trials


def test_constraints_and_values_that_are_no_numbers(trials: list[FrozenTrial]) -> None:
    good, bad, broken, _ = trials
    assert good.constraints == {"retention >= 0.95": pytest.approx(-0.02)}
    assert bad.constraints == {"retention >= 0.95": pytest.approx(0.05)}
    assert broken.state == TrialState.FAIL
    assert broken.user_attrs["train_loss at step 90"] == "nan"


def test_repetitions_are_attributes_of_the_trial_that_they_repeat(tmp_path: Path) -> None:
    events: list[Event] = [
        *opening_events(make_config()),
        *trial_events(0, {"train_loss": 1.0, "retention": 0.97}, sampled=POINT),
        *trial_events(1, {"train_loss": 1.1, "retention": 0.96}, sampled=POINT, repeats=0),
        *trial_events(2, {"train_loss": 1.2, "retention": 0.99}, sampled=POINT),
    ]
    write_record(tmp_path / "demo", events)
    assert export(tmp_path / "demo", tmp_path / "study.db") == 0
    repeated, other = load(tmp_path / "study.db").trials
    assert (repeated.user_attrs["trial"], other.user_attrs["trial"]) == (0, 2)
    assert repeated.values == [1.0, 0.97]
    assert repeated.user_attrs["repetition 1"] == "trial 1, completed"
    assert repeated.user_attrs["retention in repetition 1"] == 0.96
    assert not [name for name in other.user_attrs if "repetition" in name]


def test_an_unfinished_trial_is_running(trials: list[FrozenTrial]) -> None:
    assert trials[3].state == TrialState.RUNNING
    assert {name: trials[3].params[name] for name in POINT} == POINT


def test_choices_that_python_takes_for_equal(trials: list[FrozenTrial]) -> None:
    assert trials[3].params["switch"] == "1"


def test_an_export_is_replaced(tmp_path: Path) -> None:
    events = make_events(8)
    write_record(tmp_path / "first", events[:20])
    write_record(tmp_path / "whole", events)
    assert export(tmp_path / "first", tmp_path / "study.db") == 0
    fewer = len(load(tmp_path / "study.db").trials)
    assert export(tmp_path / "whole", tmp_path / "study.db") == 0
    assert len(load(tmp_path / "study.db").trials) == 8 > fewer
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "study.db", "whole"]


def _text(path: Path) -> None:
    path.write_text("precious")


def _database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("create table precious (value)")
    connection.close()


def _study(path: Path) -> None:
    storage = optuna.storages.RDBStorage(f"sqlite:///{path}")
    optuna.create_study(storage=storage, study_name="precious")
    storage.engine.dispose()


@pytest.mark.parametrize("make", [_text, _database, _study])
def test_other_files_are_left_alone(tmp_path: Path, make: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(make)
    out = tmp_path / "study.db"
    make(out)
    before = out.read_bytes()
    write_record(tmp_path / "demo", make_events(2))
    assert export(tmp_path / "demo", out) == 2
    assert "is not an export" in capsys.readouterr().err
    assert out.read_bytes() == before


def test_a_folder_is_left_alone(tmp_path: Path) -> None:
    write_record(tmp_path / "demo", make_events(2))
    assert export(tmp_path / "demo", tmp_path) == 2


@pytest.mark.parametrize("words", [[], ["search=demo"], ["out=a.db"], ["search=a", "out=b", "c"], ["out="]])
def test_wrong_arguments(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert "usage: python -m search.optuna_export search=SEARCH out=FILE.db" in capsys.readouterr().err


def test_a_folder_without_a_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(tmp_path, tmp_path / "study.db") == 2
    assert "is not a search's folder" in capsys.readouterr().err
    assert not (tmp_path / "study.db").exists()
