"""What shows and judges a search agrees on one that a conductor really ran, through all its phases."""

from __future__ import annotations

import io
import math
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from analysis.summary import summarise
from search.conductor import Conductor
from search.judging.pareto import pareto_front
from search.record import Event, SearchEnded, SearchState, SlotsChosen
from search.schedulers import make_scheduler
from search.searchers import make_searcher
from search.space import SearchSpace
from search.tracking.mlflow_projection import Projection
from search.tracking.runs import SEARCH, trial_key
from search.view import make_view
from tests.records import BEGIN, make_config, opening_events
from trainables.interval import Interval
from trainables.messages import Reply, TrainRequest


def train(request: TrainRequest) -> Reply:
    """A stand-in for training: a function of the request alone, with noise from the trial's seed."""
    lr, noise = float(request.params["lr"] or 0), random.Random(int(request.params["seed"] or 0))
    if lr > 8e-3:
        return Reply("diverged", "loss nan", step=request.from_step + 1, metrics={"train_loss": math.nan})
    loss = 4 - 0.4 * math.log10(lr / 1e-5) * (request.to_step / 90) ** 0.3 + noise.gauss(0, 0.02)
    capability = 0.95 / (1 + (lr / 3e-3) ** 2)
    return Reply(
        "ok",
        step=request.to_step,
        metrics={"train_loss": loss, "capability": capability},
        intervals={"capability": Interval(capability - 0.01, capability + 0.01, 2000)},
        checkpoint=request.save_to,
        train_seconds=1.0,
        eval_seconds=0.1,
    )


def run(seconds: float = 1.0, **changes: Any) -> list[Event]:
    """The record of a whole search, whose every event takes `seconds`."""
    config = make_config(12, searcher={"name": "random"}, **changes)
    chosen = SlotsChosen(groups=1, slots=1, reason="", devices=2, time=BEGIN + 2)
    record: list[Event] = []
    times: Iterator[float] = (BEGIN + 3 + seconds * count for count in range(10**6))
    space = SearchSpace(config.parameters, config.fixed)
    conductor = Conductor(
        config,
        space,
        make_searcher(config, space),
        make_scheduler(config),
        record.append,
        clock=lambda: next(times),
    )
    for event in (*opening_events(config), chosen):
        record.append(event)
        conductor.state.apply(event)
    while not conductor.finished and (number := conductor.next_trial()) is not None:
        while conductor.report(number, train(conductor.request(number))):
            pass
    return [*record, SearchEnded(reason="finished", time=conductor.state.last_time)]


SEARCHES: dict[str, dict[str, Any]] = {
    "promotion": {"scheduler": {"name": "moasha", "variant": "promotion"}},
    "stopping": {"scheduler": {"name": "moasha"}, "confirm": {"candidates": 2, "seeds": 3}},
    "limited": {"limits": {"hours": 0.05}},
    "unconfirmed": {"confirm": {"candidates": 0}, "guards": {"retention": None}},
}


@pytest.fixture(scope="module", params=SEARCHES)
def record(request: pytest.FixtureRequest) -> list[Event]:
    return run(**SEARCHES[request.param])


def lines_of(record: list[Event]) -> list[str]:
    file = io.StringIO()
    state = SearchState.from_events(record)
    assert state.started is not None
    config = make_config(12, confirm=state.started.config["confirm"])
    view = make_view(Console(file=file), config, 12, live=False, clock=lambda: BEGIN)
    for event in record:
        view(event)
    view.close()
    return file.getvalue().splitlines()


def test_summary_view_and_projection_count_the_same(record: list[Event], tmp_path: Path) -> None:
    state = SearchState.from_events(record)
    summary = summarise(state, tmp_path)
    expected = Counter(trial.status for trial in state.trials.values() if trial.confirms is None)
    repeated = sum(trial.confirms is not None for trial in state.trials.values())
    assert summary["counts"] == expected
    assert summary["budget"]["phases"]["confirmation"]["trials"] == repeated
    last = lines_of(record)[-1]
    assert all(f"{count} {status}" in last for status, count in expected.items())
    projection = Projection()
    for event in record:
        projection.apply(event)
    published = {point.key: point.value for point in projection.runs[SEARCH].points}
    for status, count in expected.items():
        assert published[f"trials_{status}"] == count
    assert published.get("trials_paused", 0.0) == published["trials_running"] == 0.0
    assert published.get("repetitions_completed", 0.0) <= repeated
    assert {run.status for run in projection.runs.values()} <= {"FINISHED", "KILLED", "FAILED"}


def test_every_trial_has_its_own_words(record: list[Event]) -> None:
    state, lines = SearchState.from_events(record), lines_of(record)
    for number, trial in state.trials.items():
        own = [line for line in lines if f"] trial {number} " in line]
        assert ("confirming" in own[0]) == (trial.confirms is not None)
        paused = sum("-> pause" in line for line in own)
        assert sum("continues from" in line for line in own) + ("stopped: " in own[-1]) >= paused


def test_what_is_recommended_was_repeated_where_anything_was(record: list[Event], tmp_path: Path) -> None:
    state = SearchState.from_events(record)
    summary = summarise(state, tmp_path)
    best, block = summary["recommended"]["trial"], summary["confirmation"]
    assert state.trials[best].confirms is None
    assert {one.number for one in pareto_front(state)} <= {
        number for number, trial in state.trials.items() if trial.confirms is None
    }
    if block is None:
        assert not any(trial.confirms is not None for trial in state.trials.values())
    else:
        assert best in block["tied"]
        assert sum(one["n"] for one in block["candidates"]) == sum(
            trial.confirms is not None and trial.status == "completed" for trial in state.trials.values()
        )


def test_a_limit_that_cut_the_search_short_is_named(tmp_path: Path) -> None:
    limited = summarise(SearchState.from_events(run(**SEARCHES["limited"])), tmp_path)
    assert limited["limits"]["reached"].startswith("limits.hours: ")
    assert (
        summarise(SearchState.from_events(run(limits={"hours": 9.0})), tmp_path)["limits"]["reached"] is None
    )


def test_projecting_in_two_parts_gives_the_same(record: list[Event]) -> None:
    whole, parts = Projection(), Projection()
    for event in record:
        whole.apply(event)
    for event in record[: len(record) // 2]:
        parts.apply(event)
    seen = {key: list(view.points) for key, view in parts.runs.items()}
    for event in record[len(record) // 2 :]:
        parts.apply(event)
    assert parts.runs == whole.runs
    for key, points in seen.items():
        assert parts.runs[key].points[: len(points)] == points, "points are only ever appended"
    repeated = [event.trial for event in record if getattr(event, "repeats", None) is not None]
    assert all("tightrope.repeats" in whole.runs[trial_key(number)].tags for number in repeated)
