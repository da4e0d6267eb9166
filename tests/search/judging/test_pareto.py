from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.judging.pareto import ParetoTrial, nondominated, pareto_front
from search.record import SearchState, TrialFinished
from tests.records import make_config, opening_events, trial_events

# Few distinct values, so that ties, equal points and equal columns are common.
VALUES = st.one_of(st.integers(0, 4).map(float), st.floats(-1e6, 1e6), st.sampled_from([math.nan, math.inf]))


def state_of(points: list[tuple[float, float]]) -> SearchState:
    events = opening_events()
    for number, (loss, retention) in enumerate(points):
        events += trial_events(number, {"train_loss": loss, "retention": retention})
    return SearchState.from_events(events)


def dominates(one: list[float], other: list[float]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and one != other


@given(st.data(), st.integers(1, 4))
def test_nondominated_is_the_definition(data: st.DataObject, objectives: int) -> None:
    points = data.draw(st.lists(st.lists(VALUES, min_size=objectives, max_size=objectives), max_size=12))
    maximise = data.draw(st.lists(st.booleans(), min_size=objectives, max_size=objectives))
    costs = [[-v if up else v for v, up in zip(point, maximise, strict=True)] for point in points]
    finite = [all(map(math.isfinite, point)) for point in costs]
    expected = [
        ok and not any(dominates(other, own) for other, good in zip(costs, finite, strict=True) if good)
        for own, ok in zip(costs, finite, strict=True)
    ]
    found = nondominated(np.array(points, dtype=np.float64).reshape(-1, objectives), maximise)
    assert found.tolist() == expected


def test_feasible_trials_come_first_and_broken_ones_are_marked() -> None:
    state = state_of([(1.0, 0.5), (2.0, 0.96), (3.0, 1.0), (2.5, 0.95), (1.5, 0.95)])
    assert pareto_front(state) == (
        ParetoTrial(4, feasible=True),
        ParetoTrial(1, feasible=True),
        ParetoTrial(2, feasible=True),
        ParetoTrial(0, feasible=False),
    )


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_trial_without_a_finite_value_is_not_on_the_front(bad: float) -> None:
    state = state_of([(bad, 1.0), (2.0, bad), (3.0, 0.96)])
    assert [trial.number for trial in pareto_front(state)] == [2]


def test_a_trial_that_lacks_an_objective_is_not_on_the_front() -> None:
    events = [*opening_events(), *trial_events(0, {"train_loss": 0.1})]
    assert pareto_front(SearchState.from_events(events)) == ()


def test_only_trials_with_the_full_budget_count() -> None:
    events = [*opening_events(), *trial_events(0, {"train_loss": 2.0, "retention": 1.0})]
    best = trial_events(1, {"train_loss": 0.1, "retention": 1.0})[:-1]
    running = SearchState.from_events([*events, *best])
    stopped = SearchState.from_events(
        [*events, *best, TrialFinished(trial=1, status="stopped", reason="rank 3 of 3")]
    )
    assert [trial.number for trial in pareto_front(running)] == [0]
    assert [trial.number for trial in pareto_front(stopped)] == [0]


def test_directions_and_further_objectives_are_those_configured() -> None:
    config = make_config(
        objectives=[
            {"metric": "heldout_loss", "direction": "min", "ceiling": 3.0},
            {"metric": "capability", "direction": "max"},
            {"metric": "distinct", "direction": "max"},
        ]
    )
    events = opening_events(config)
    for number, values in enumerate([(2.0, 0.5, 0.1), (2.0, 0.5, 0.2), (2.0, 0.6, 0.1), (3.5, 0.9, 0.9)]):
        events += trial_events(
            number, dict(zip(("heldout_loss", "capability", "distinct"), values, strict=True))
        )
    front = pareto_front(SearchState.from_events(events))
    assert [(trial.number, trial.feasible) for trial in front] == [(1, True), (2, True), (3, False)]


def test_nothing_recorded_has_an_empty_front() -> None:
    assert pareto_front(SearchState()) == ()
    assert pareto_front(SearchState.from_events(opening_events())) == ()
