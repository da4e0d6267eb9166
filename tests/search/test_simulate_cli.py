"""`python -m search.simulate` on recorded searches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.summary import summarise
from search.judging.pareto import pareto_front
from search.judging.recommend import recommend
from search.record import Event, SearchState, TrialFinished
from search.simulate.__main__ import main
from search.simulate.compare import compare
from search.simulate.options import read_options
from tests.records import make_config, make_events, write_record

TRIALS = 24


def record(folder: Path, **changes: Any) -> SearchState:
    """A search with stopped, diverged and completed trials, in `folder`."""
    events = make_events(TRIALS, config=make_config(TRIALS, **changes))
    write_record(folder, events)
    return SearchState.from_events(events)


def answer(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> dict[str, Any]:
    assert main([f"search={folder}", *words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_without_changes_to_stopping_costs_are_those_recorded_and_what_lies_beyond_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = record(tmp_path)
    found = answer(capsys, tmp_path, "scheduler=none", "guards={spike: null, retention: null}", "workers=2")
    work = [rung for trial in state.trials.values() for rung in trial.rungs]
    steps = sum(trial.last.step for trial in state.trials.values() if trial.last)
    stopped = [trial for trial in state.trials.values() if trial.status == "stopped"]
    missing = sum(90 - trial.last.step for trial in stopped if trial.last)
    assert stopped
    assert found["recorded"]["steps"] == steps
    assert found["without_stopping"]["steps"] == steps + missing
    assert found["cut_short"] == found["runs"][0]["censored"] == len(stopped)
    cost = found["runs"][0]["cost"]
    assert cost["at_least"]
    # Diverged slices have no recorded time; theirs are estimated.
    assert cost["train_seconds"] == pytest.approx(sum(rung.train_seconds for rung in work))
    assert cost["eval_seconds"] == pytest.approx(sum(rung.eval_seconds for rung in work))
    assert found["runs"][0]["hypervolume"] == pytest.approx(1.0)


def test_a_search_whose_trials_all_ended_by_themselves_has_nothing_censored(tmp_path: Path) -> None:
    stopped = {e.trial for e in make_events(TRIALS) if isinstance(e, TrialFinished) and e.status == "stopped"}
    events = [event for event in make_events(TRIALS) if getattr(event, "trial", None) not in stopped]
    write_record(tmp_path, events)
    options = read_options([f"search={tmp_path}", "scheduler=moasha", "seeds=3"])
    assert options.config.trials == TRIALS - len(stopped)
    found = compare(options)
    state = SearchState.from_events(events)
    assert (found.best, found.cut_short) == (recommend(state).trial, 0)
    assert found.front == tuple(trial.number for trial in pareto_front(state))
    assert found.recorded == found.without_stopping
    for one in found.runs:
        assert one.censored == 0
        assert one.cost.steps <= found.recorded.steps
        assert one.hypervolume is not None
        assert 0.0 <= one.hypervolume <= 1.0
        kept = all(fate == "trained to the end" for fate in one.fates.values())
        assert not kept or one.hypervolume == pytest.approx(1.0)


def test_more_workers_take_less_time_for_the_same_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path)
    one = answer(capsys, tmp_path, "workers=1")["recorded"]
    eight = answer(capsys, tmp_path, "workers=8")["recorded"]
    assert eight["wall_seconds"] < one["wall_seconds"]
    assert eight["train_seconds"] == pytest.approx(one["train_seconds"])
    assert one["wall_seconds"] >= one["train_seconds"] + one["eval_seconds"] - 1e-6


def test_another_searcher_tries_recorded_configurations_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path)
    found = answer(capsys, tmp_path, "searcher=random", "trials=6", "seeds=2")
    assert len(found["runs"]) == 2
    for one in found["runs"]:
        assert one["cost"]["steps"] <= 6 * 90
        assert len([fate for fate in one["fates"].values() if fate != "not tried"]) <= 6


def test_the_text_says_what_was_saved_what_was_lost_and_how_far_it_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    state = record(tmp_path)
    assert main([f"search={tmp_path}", "scheduler=moasha", "seeds=2", "workers=3"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "as recorded" in text
    assert "without stopping" in text
    assert "on 3 simulated workers" in text
    assert f"The recommended trial {recommend(state).trial}:" in text
    assert "Pareto-optimal" in text
    assert "would have been trained further than was recorded" in text
    assert "cover only what was recorded" in text


def test_a_simulated_record_can_be_summarised_like_a_real_one(tmp_path: Path) -> None:
    from search.simulate import AsRecorded, RecordedCurves, simulate

    state = record(tmp_path)
    options = read_options([f"search={tmp_path}", "scheduler=asha"])
    points = [dict(trial.proposed.sampled) for trial in state.trials.values()]
    found = simulate(options.config, RecordedCurves(state), 2, searcher=AsRecorded(points))
    written: list[Event] = found.events
    write_record(tmp_path / "simulated", written)
    summary = summarise(SearchState.from_events(written), tmp_path / "simulated")
    assert summary["search"]["ended"] == "finished"
    assert sum(summary["counts"].values()) == TRIALS
    assert summary["slots"]["groups"] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["scheduler=ahsa", "workers=0", "model=x", "--jsn"],
            ["did you mean asha", "workers", "model", "--json"],
        ),
        (["budget.rungs=4"], ["steps 3, 10, 30, 90", "the recorded steps are 10, 30, 90"]),
        (["budget.steps=30", "budget.rungs=2"], ["budget.steps", "schedule"]),
        (["budget.epochs=2"], ["budget.epochs", "90 steps were recorded"]),
        (["trials=999"], [f"more than the {TRIALS}"]),
        (["confirm.candidates=2"], ["confirm", "cannot be changed in a simulation"]),
        (["scheduler.variant=promotion", "guards.spike=x"], ["variant", "guards.spike"]),
        (["objectives.1.metric=retetion"], ["did you mean retention"]),
        (["objectives.7.metric=x", "seeds=1.5"], ["not an entry", "seeds"]),
        (["scheduler.name.deep=x"], ["scheduler.name.deep"]),
    ],
)
def test_all_that_is_wrong_is_said_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: list[str]
) -> None:
    record(tmp_path, scheduler={"name": "asha"})
    assert main([f"search={tmp_path}", *words]) == 2
    error = capsys.readouterr().err
    for part in said:
        assert part in error


@pytest.mark.parametrize("words", [["scheduler=asha"], ["search=nowhere"], []])
def test_without_a_recorded_search_it_says_what_to_give(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    assert "search=" in capsys.readouterr().err


def test_a_configuration_of_an_older_version_is_read_without_the_keys_it_no_longer_has(
    tmp_path: Path,
) -> None:
    events = make_events(TRIALS)
    started: Any = events[0]
    old = started.config | {"searcher": {"name": "grid", "startup": 8}, "gone": 1}
    write_record(tmp_path, [started.model_copy(update={"config": old}), *events[1:]])
    options = read_options([f"search={tmp_path}"])
    assert options.base.searcher.name == "grid"
    assert options.config.confirm.candidates == 0


def test_a_record_of_a_trainable_that_is_not_installed_is_one_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = make_events(TRIALS)
    started: Any = events[0]
    departed = started.config | {"trainable": "departed"}
    write_record(tmp_path, [started.model_copy(update={"config": departed}), *events[1:]])
    assert main([f"search={tmp_path}", "scheduler=asha"]) == 2
    assert "there is no trainable 'departed'" in capsys.readouterr().err
