"""Simulated searches: properties over random curves, and curves that were recorded."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.conductor import Conductor
from search.config.schema import SearchConfig
from search.record import (
    BaselineMeasured,
    Decided,
    Event,
    RungReached,
    SearchState,
    TrialFinished,
)
from search.record.events import Params
from search.schedulers import make_scheduler
from search.searchers import make_searcher
from search.simulate import AsRecorded, NearestRecorded, RecordedCurves, Simulated, simulate
from search.space import SearchSpace
from tests.records import make_config, make_events
from trainables.messages import Reply, TrainRequest

SCHEDULERS: list[dict[str, Any]] = [
    {"name": "none"},
    {"name": "asha"},
    {"name": "moasha"},
    {"name": "moasha", "variant": "promotion"},
    {"name": "moasha", "brackets": 3, "spread": "hypervolume"},
]

BASE = BaselineMeasured(name="base", metrics={"capability": 0.9, "retention": 1.0}, seconds=3.0)
BASE_SECONDS = 1.2  # of the base model in `tests.records`
LOSS_ALONE = [{"metric": "train_loss", "direction": "min"}]


@dataclass(frozen=True)
class Table:
    """Random curves; some trials diverge, and some curves are not known to their end."""

    seed: int
    diverging: float = 0.1
    unknown: float = 0.0
    baseline: BaselineMeasured | None = BASE

    def reply(self, request: TrainRequest) -> Reply | None:
        draw = random.Random(f"{self.seed}/{request.trial}/{request.to_step}")
        if request.from_step and draw.random() < self.unknown:
            return None
        if draw.random() < self.diverging:
            return Reply("diverged", "loss nan", step=request.from_step, train_seconds=draw.uniform(0.0, 2.0))
        return Reply(
            "ok",
            step=request.to_step,
            metrics={"train_loss": draw.gauss(2, 1), "capability": draw.uniform(0.7, 1.0)},
            checkpoint=request.save_to,
            train_seconds=draw.choice([0.0, 1.0, draw.uniform(0.1, 9.0)]),
            eval_seconds=draw.uniform(0.0, 1.0),
        )


def configure(scheduler: dict[str, Any], trials: int = 12, **changes: Any) -> SearchConfig:
    defaults: dict[str, Any] = {
        "scheduler": scheduler,
        "searcher": {"name": "random"},
        "confirm": {"candidates": 0},
        "guards": {"spike": None, "retention": None, "degeneration": None},
    }
    return make_config(trials, **(defaults | changes))


def slices(events: list[Event]) -> list[tuple[float, float]]:
    """Beginning and end of what each rung took; the rung's event is recorded at the end."""
    return [
        (event.time - event.train_seconds - event.eval_seconds, event.time)
        for event in events
        if isinstance(event, RungReached)
    ]


tables = st.builds(Table, st.integers(0, 10**6), st.sampled_from([0.0, 0.2]), st.sampled_from([0.0, 0.3]))
schedulers = st.sampled_from(SCHEDULERS)
workers = st.integers(1, 7)


@settings(max_examples=25, deadline=None)
@given(tables, schedulers, workers, st.integers(1, 20))
def test_every_trial_ends_and_none_is_left_paused(
    table: Table, scheduler: dict[str, Any], count: int, trials: int
) -> None:
    found = simulate(configure(scheduler, trials), table, count)
    assert sorted(found.state.trials) == list(range(trials))
    assert not found.state.unfinished
    assert not found.state.paused
    ends = [event.trial for event in found.events if isinstance(event, TrialFinished)]
    assert sorted(ends) == list(range(trials))


@settings(max_examples=15, deadline=None)
@given(tables, schedulers, workers)
def test_no_more_workers_are_busy_than_there_are_and_none_works_faster_than_time(
    table: Table, scheduler: dict[str, Any], count: int
) -> None:
    found = simulate(configure(scheduler), table, count)
    work = slices(found.events)
    tiny = 1e-9
    for begin, end in work:
        middle = (begin + end) / 2
        assert sum(other[0] + tiny < middle < other[1] - tiny for other in work) <= count
    begun = table.baseline.seconds if table.baseline else 0.0
    busy = sum(end - begin for begin, end in work)
    assert found.state.last_time >= begun + busy / count - tiny
    assert all(later.time >= earlier.time for earlier, later in pairwise(found.events))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), workers)
def test_without_stopping_every_trial_completes_and_one_worker_takes_all_the_time(
    seed: int, count: int
) -> None:
    table = Table(seed, diverging=0.0)
    found = simulate(configure({"name": "none"}), table, count)
    assert {trial.status for trial in found.state.trials.values()} == {"completed"}
    alone = simulate(configure({"name": "none"}), table, 1)
    busy = sum(end - begin for begin, end in slices(found.events))
    assert alone.state.last_time == pytest.approx(3.0 + busy)
    assert found.state.last_time <= alone.state.last_time + 1e-9


@settings(max_examples=15, deadline=None)
@given(tables, schedulers, workers)
def test_equal_arguments_give_equal_records_which_lead_to_the_same_state(
    table: Table, scheduler: dict[str, Any], count: int
) -> None:
    config = configure(scheduler)
    found, again = simulate(config, table, count), simulate(config, table, count)
    assert found.events == again.events
    assert SearchState.from_events(found.events) == found.state
    appended: list[Event] = []
    space = SearchSpace(config.parameters, config.fixed)
    replayed = Conductor(
        config, space, make_searcher(config, space), make_scheduler(config), appended.append, found.events
    )
    assert replayed.finished
    assert replayed.next_trial() is None
    assert replayed.state == found.state
    assert appended == []


@settings(max_examples=15, deadline=None)
@given(tables, schedulers, st.data())
def test_a_simulation_goes_on_from_any_part_of_its_record(
    table: Table, scheduler: dict[str, Any], data: st.DataObject
) -> None:
    config = configure(scheduler, searcher={"name": "random"})
    whole = simulate(config, table, 2)
    cut = data.draw(st.integers(0, len(whole.events) - 1))
    resumed = simulate(config, table, 2, whole.events[:cut])
    assert resumed.events[:cut] == whole.events[:cut]
    assert sorted(resumed.state.trials) == list(range(config.trials))
    assert not resumed.state.unfinished


def test_censored_trials_are_counted_and_end_where_their_curve_ends() -> None:
    table = Table(5, diverging=0.0, unknown=0.5)
    found = simulate(configure({"name": "none"}, 40), table, 3)
    assert 0 < len(found.censored) < 40
    for trial in found.state.trials.values():
        assert (trial.number in found.censored) == (trial.status == "stopped")
        if trial.number in found.censored:
            assert trial.last is not None
            decision = trial.decisions[trial.last.rung]
            assert (decision.decision, decision.by) == ("stop", "curve")
            following = TrainRequest(
                trial.number, {}, trial.last.step, (10, 30, 90)[trial.last.rung + 1], None, ""
            )
            assert table.reply(following) is None


def test_trials_of_which_nothing_is_known_end_without_a_rung() -> None:
    nothing = RecordedCurves(SearchState.from_events(make_events(4)))
    found = simulate(configure({"name": "asha"}, 5, seed=1), nothing, 2)
    assert found.censored == tuple(range(5))
    assert not any(trial.rungs for trial in found.state.trials.values())
    assert found.state.last_time == BASE_SECONDS


def test_paused_trials_are_promoted_by_later_results() -> None:
    found = simulate(configure(SCHEDULERS[3], 40), Table(1, diverging=0.0), 3)
    paused = [event for event in found.events if isinstance(event, Decided) and event.decision == "pause"]
    promoted = [event for event in found.events if isinstance(event, Decided) and "promoted" in event.reason]
    assert paused
    assert any(event.decision == "continue" for event in promoted)


def test_candidates_are_confirmed_where_the_curves_know_new_seeds() -> None:
    config = configure({"name": "asha"}, 12, confirm={"candidates": 2, "seeds": 2}, objectives=LOSS_ALONE)
    found = simulate(config, Table(2, diverging=0.0), 4)
    repeats = [trial for trial in found.state.trials.values() if trial.confirms is not None]
    assert len(repeats) == 4
    assert {trial.status for trial in repeats} == {"completed"}


def replayed(
    events: list[Event], shuffle: int | None = None, **changes: Any
) -> tuple[SearchState, Simulated]:
    """A recorded search, and the same simulated over its curves without stopping."""
    state = SearchState.from_events(events)
    config = configure({"name": "none"}, len(state.trials), **changes)
    points = [dict(trial.proposed.sampled) for trial in state.trials.values()]
    return state, simulate(config, RecordedCurves(state), 2, searcher=AsRecorded(points, shuffle))


@pytest.mark.parametrize("shuffle", [None, 1, 2])
def test_recorded_curves_give_back_what_was_recorded_and_no_more(shuffle: int | None) -> None:
    state, found = replayed(make_events(24), shuffle)
    by_point = {str(trial.proposed.sampled): trial for trial in state.trials.values()}
    stopped = 0
    for trial in found.state.trials.values():
        recorded = by_point[str(trial.proposed.sampled)]
        assert trial.status == recorded.status
        assert [rung.step for rung in trial.rungs] == [rung.step for rung in recorded.rungs]
        for rung, was in zip(trial.rungs, recorded.rungs, strict=True):
            assert rung.metrics == pytest.approx(was.metrics)
            assert (rung.train_seconds, rung.eval_seconds) == (was.train_seconds, was.eval_seconds)
        stopped += recorded.status == "stopped"
    assert len(found.censored) == stopped > 0


def test_a_slice_over_two_recorded_rungs_takes_the_training_of_both_and_one_evaluation() -> None:
    state, found = replayed(make_events(24), budget={"steps": 90, "rungs": 2, "eta": 3})
    completed = [trial for trial in found.state.trials.values() if trial.status == "completed"]
    assert completed
    for trial in completed:
        first, second, third = state.trials[trial.number].rungs
        assert [rung.step for rung in trial.rungs] == [30, 90]
        assert trial.rungs[0].train_seconds == first.train_seconds + second.train_seconds
        assert trial.rungs[0].eval_seconds == second.eval_seconds
        assert trial.rungs[1].train_seconds == third.train_seconds


points = st.fixed_dictionaries(
    {
        "lr": st.floats(1e-5, 1e-2),
        "rank": st.sampled_from([2, 4, 8, 16, 32]),
        "alpha_per_rank": st.sampled_from([1, 2, 4]),
    }
)


@settings(max_examples=15, deadline=None)
@given(st.lists(points, min_size=1, max_size=12), st.sampled_from(["random", "tpe"]))
def test_the_nearest_recorded_proposes_each_candidate_once_and_tells_the_searcher(
    candidates: list[dict[str, Any]], name: str
) -> None:
    config = configure({"name": "none"}, searcher={"name": name})
    space = SearchSpace(config.parameters, {})
    replayed: list[dict[str, Any]] = []
    inner = make_searcher(config, space)
    searcher = NearestRecorded(Telling(inner, replayed), space, candidates)
    proposed = [searcher.propose(number) for number in range(len(candidates))]
    assert searcher.propose(len(candidates)) is None
    found = [dict(proposal.sampled) for proposal in proposed if proposal is not None]
    assert sorted(map(str, found)) == sorted(map(str, candidates))
    assert replayed == found


def test_the_nearest_is_by_the_scale_of_the_space() -> None:
    config = configure({"name": "none"}, points=[{"lr": 1e-4, "rank": 8, "alpha_per_rank": 1}])
    space = SearchSpace(config.parameters, {})
    near: Params = {"lr": 3e-5, "rank": 8, "alpha_per_rank": 1}  # half a decade away, and 7e-5
    far: Params = {"lr": 1e-3, "rank": 8, "alpha_per_rank": 1}
    other: Params = {"lr": 1e-4, "rank": 4, "alpha_per_rank": 1}
    searcher = NearestRecorded(make_searcher(config, space), space, [far, other, near])
    proposal = searcher.propose(0)
    assert proposal is not None
    assert (proposal.sampled, proposal.origin) == (near, "listed")


class Telling:
    """A searcher that keeps the arguments of `replay` from outside."""

    def __init__(self, searcher: Any, replayed: list[dict[str, Any]]) -> None:
        self._searcher = searcher
        self._replayed = replayed

    def propose(self, number: int) -> Any:
        return self._searcher.propose(number)

    def begin(self, event: Any) -> None:
        self._searcher.begin(event)

    def replay(self, number: int, sampled: Any, origin: Any = "searcher") -> None:
        self._replayed.append(dict(sampled))
        self._searcher.replay(number, sampled, origin)

    def observe(self, outcome: Any) -> None:
        self._searcher.observe(outcome)
