from __future__ import annotations

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from search.judging.pareto import pareto_front
from search.judging.recommend import recommend
from search.record import Event, SearchState, TrialFinished, TrialProposed
from tests.records import make_config, make_events, opening_events, trial_events
from trainables.interval import Interval

POINTS = st.lists(
    st.tuples(
        st.one_of(st.sampled_from([1.0, 1.5, 2.0, math.nan]), st.floats(0.5, 4.0)),
        st.one_of(st.sampled_from([0.9, 0.95, 1.0, math.nan]), st.floats(0.0, 1.1)),
    ),
    max_size=10,
)


def trials_of(points: list[tuple[float, float]]) -> list[list[Event]]:
    return [
        trial_events(number, {"train_loss": loss, "retention": retention})
        for number, (loss, retention) in enumerate(points)
    ]


def state_of(trials: list[list[Event]], **changes: object) -> SearchState:
    events = opening_events(make_config(**changes))  # type: ignore[arg-type]
    return SearchState.from_events([*events, *(event for trial in trials for event in trial)])


@given(POINTS)
def test_recommends_the_lowest_loss_that_keeps_the_floor(points: list[tuple[float, float]]) -> None:
    state = state_of(trials_of(points))
    found = recommend(state)
    kept = [loss for loss, retention in points if retention >= 0.95 and math.isfinite(loss)]
    if found.trial is None:
        assert not kept
        assert found.reason
    else:
        loss, retention = points[found.trial]
        assert retention >= 0.95
        assert loss == min(kept)
        assert [one.feasible for one in pareto_front(state) if one.number == found.trial] == [True]


@given(POINTS, st.randoms(use_true_random=False))
def test_the_order_of_events_does_not_matter(points: list[tuple[float, float]], order: random.Random) -> None:
    trials = trials_of(points)
    shuffled = list(trials)
    order.shuffle(shuffled)
    assert recommend(state_of(shuffled)) == recommend(state_of(trials))


def test_the_sentence_names_the_numbers() -> None:
    interval = Interval(low=0.93, high=1.0, n=240)
    sampled = {"lr": 3.1e-4, "rank": 8}
    metrics = {"train_loss": 1.8123, "retention": 0.97}
    best = trial_events(3, metrics, {"retention": interval}, sampled)
    others = trials_of([(1.82, 0.96), (1.2, 0.3)])
    found = recommend(state_of([*others, best]))
    assert found.trial == 3
    assert found.reason == (
        "train_loss 1.812, the lowest train_loss of the 2 completed trials whose measured retention is at "
        "least 0.95"
    )
    assert found.settings == "lr 3.1e-04, rank 8; 90 steps"
    assert [str(each) for each in found.constraints] == [
        "retention >= 0.95: not shown to be kept, 0.97 [0.93, 1.00]"
    ]
    (one_run,) = found.caveats
    assert "one seed" in one_run
    assert "trial 0 with train_loss 1.820" in one_run


def test_a_single_run_never_shows_that_the_floor_is_kept() -> None:
    interval = Interval(low=0.955, high=1.0, n=2000)
    best = [trial_events(0, {"train_loss": 2.0, "retention": 0.98}, {"retention": interval})]
    found = recommend(state_of(best, confirm={"candidates": 0}))
    assert found.reason.startswith("train_loss 2.000, the only completed trial whose")
    assert [each.word for each in found.constraints] == ["not shown to be kept"]
    assert found.deciding == ("confirm.candidates", 3)
    assert "one seed" in found.caveats[0]


def test_where_none_keeps_the_floor_the_nearest_is_named() -> None:
    found = recommend(state_of(trials_of([(1.0, 0.2), (3.0, 0.9496), (2.0, 0.7)])))
    assert found.trial is None
    assert found.nearest == 1
    assert "None of the 3 completed trials keeps retention >= 0.95." in found.reason
    # 0.9496 rounds to the floor itself; a sentence that says "0.950" misses it would be absurd.
    assert "Trial 1 came nearest (lr 1.0e-03, rank 8): retention 0.9496; train_loss 3.000" in found.reason
    assert "larger trials=" in found.reason
    assert "lr below 1.0e-03" in found.reason


def test_without_a_completed_trial_the_search_is_to_go_on() -> None:
    proposed = TrialProposed(trial=0, sampled={"lr": 1e-3}, params={"lr": 1e-3})
    diverged = TrialFinished(trial=0, status="diverged", reason="NaN")
    running = recommend(state_of([[proposed]]))
    assert running.trial is None
    assert "1 unfinished" in running.reason
    assert "Resume" in running.reason
    ended = recommend(state_of([[proposed, diverged]]))
    assert "1 diverged" in ended.reason
    assert "upper bound of lr" in ended.reason
    assert "has begun" in recommend(SearchState()).reason


def test_without_constraints_the_best_value_is_recommended() -> None:
    objectives = [{"metric": "retention", "direction": "max"}]
    found = recommend(state_of(trials_of([(1.0, 0.2), (3.0, 0.9)]), objectives=objectives))
    assert found.trial == 1
    assert found.reason == "retention 0.900, the highest retention of the 2 completed trials"
    assert found.constraints == ()


def test_several_constraints_are_all_kept_and_named() -> None:
    objectives = [
        {"metric": "train_loss", "direction": "min", "ceiling": 2.5},
        {"metric": "retention", "direction": "max", "floor": 0.9},
    ]
    points = [(1.0, 0.2), (3.0, 1.0), (2.0, 0.92)]
    found = recommend(state_of(trials_of(points), objectives=objectives))
    assert found.trial == 2
    assert "measured train_loss is at most 2.5 and whose measured retention is at least 0.9" in found.reason
    assert [each.metric for each in found.constraints] == ["train_loss", "retention"]


def test_a_plausible_search_gets_a_recommendation() -> None:
    state = SearchState.from_events(make_events(24, seed=4))
    found = recommend(state)
    assert found.trial is not None
    assert found.trial == pareto_front(state)[0].number
