"""Confirmation as a race: who is repeated, how often, and when it ends."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.config.schema import SearchConfig
from search.judging.confirmation import Candidate
from search.judging.noise import Series
from search.judging.racing import Repetitions, candidates, race, spent, standings
from search.judging.recommend import recommend
from search.judging.repeated import pooled_means
from search.record import Event, SearchState, SessionStarted, TrialFinished, TrialProposed
from search.record.explained import explanation
from tests.records import BEGIN, make_config, opening_events, trial_events
from trainables.interval import Interval

CONFIG = make_config()
EXPLAINED = explanation(CONFIG.trainable, CONFIG.options)
Draw = Callable[[int, random.Random], tuple[float, float]]
"""Loss and retention of a run of a trial."""


def begun(points: list[tuple[float, float]], **confirm: int) -> tuple[SearchConfig, list[Event]]:
    """A search whose trials have ended."""
    config = make_config(confirm=confirm)
    first, *others = opening_events(config)
    events = [first.model_copy(update={"trainable": EXPLAINED}), *others]
    for number, point in enumerate(points):
        events += run(number, point)
    return config, events


def run(
    number: int, point: tuple[float, float], width: float = 0.02, repeats: int | None = None
) -> list[Event]:
    """A trial with its loss and retention, the interval of which reaches so far."""
    loss, retention = point
    around = {"retention": Interval(retention - width, retention + width, 400)}
    return trial_events(number, {"train_loss": loss, "retention": retention}, around, repeats=repeats)


def confirm(config: SearchConfig, events: list[Event], draw: Draw, width: float = 0.02) -> Counter[int]:
    """Repeats until the race is over, one at a time; returns the repetitions of each."""
    while True:
        state = SearchState.from_events(events)
        chosen = Repetitions(config).next(state)
        if chosen is None:
            assert race(state).over
            return Counter(trial.confirms for trial in state.trials.values() if trial.confirms is not None)
        point = draw(chosen.trial, random.Random(chosen.seed))
        events += run(len(state.trials), point, width, chosen.trial)


def noisy(losses: list[float], retention: float = 0.99, noise: float = 0.01) -> Draw:
    return lambda trial, drawn: (
        drawn.gauss(losses[trial], noise),
        drawn.gauss(retention, noise / 10),
    )


def test_candidates_that_are_clearly_behind_are_repeated_once() -> None:
    losses = [1.0, 2.0, 3.0]
    config, events = begun([(loss + 0.01, 0.99) for loss in losses], candidates=3, seeds=2)
    assert confirm(config, events, noisy(losses)) == {0: 2, 1: 1, 2: 1}
    ended = race(SearchState.from_events(events))
    assert [each.standing for each in ended.contenders] == ["decided", "behind", "behind"]
    assert (ended.begun, ended.budget) == (4, 6)


def test_candidates_that_do_not_differ_take_all_repetitions() -> None:
    config, events = begun([(1.0, 0.99)] * 3, candidates=3, seeds=3)
    assert confirm(config, events, noisy([1.0, 1.0, 1.0])) == {0: 3, 1: 3, 2: 3}


def test_what_the_others_leave_goes_to_the_one_whose_floor_is_open() -> None:
    def draw(trial: int, drawn: random.Random) -> tuple[float, float]:
        return 1.0, drawn.gauss(0.5 if trial else 0.96, 0.01)

    config, events = begun([(1.0, 0.96), (1.0, 0.96), (1.0, 0.96)], candidates=3, seeds=3)
    assert confirm(config, events, draw, width=0.03) == {0: 5, 1: 2, 2: 2}


def test_what_would_decide_goes_to_a_further_candidate_too() -> None:
    """The first two miss the floor, so that a third came; with more seeds one of them may rise above it."""
    _, events = begun([(1.0, 0.97), (1.1, 0.97), (1.2, 0.97)], candidates=2, seeds=2)
    points = [(1.0, 0.93), (1.1, 0.93), (1.01, 0.962), (1.11, 0.962), (1.2, 0.955), (1.21, 0.985)]
    for number, (trial, point) in enumerate(zip((0, 1, 0, 1, 2, 2), points, strict=True), 3):
        events += run(number, point, 0.01, repeats=trial)
    before = recommend(SearchState.from_events(events))
    assert before.trial == 2
    assert before.deciding is not None
    key, seeds = before.deciding
    assert key == "confirm.seeds"
    more = {"candidates": 2, "seeds": seeds}
    events.append(
        SessionStarted(session=1, trials=3, command="", host="", pid=1, confirm=more, time=BEGIN + 99)
    )

    def draw(trial: int, drawn: random.Random) -> tuple[float, float]:
        return 1.0 + trial / 10, drawn.gauss(0.97, 0.01)

    repeated = confirm(make_config(confirm=more), events, draw, 0.01)
    assert repeated[2] > 2
    assert repeated.total() <= 3 * seeds


def test_the_setting_that_was_repeated_stays_where_another_of_its_seeds_is_better() -> None:
    config, events = begun([], candidates=1, seeds=2)

    def trial(number: int, loss: float, repeats: int | None = None) -> list[Event]:
        return trial_events(
            number,
            {"train_loss": loss, "retention": 0.99},
            sampled={"lr": 1e-3, "seed": number},
            repeats=repeats,
        )

    events += [*trial(0, 1.0), *trial(1, 1.1, 0), *trial(2, 1.1, 0), *trial(3, 0.5)]
    state = SearchState.from_events(events)
    assert [each.number for each in candidates(config, state)] == [0]


def test_nothing_is_kept_back_for_candidates_that_only_stay() -> None:
    config, events = begun([(1.0, 0.99)], candidates=1, seeds=2)
    assert confirm(config, events, noisy([1.0])) == {0: 2}
    events += run(3, (0.5, 0.99))  # the search went on
    state = SearchState.from_events(events)
    assert [each.number for each in candidates(config, state)] == [3, 0]
    assert Repetitions(config).most(state) == 2
    assert confirm(config, events, noisy([1.0, 0.0, 0.0, 0.5])) == {0: 2, 3: 2}


def test_a_candidate_that_breaks_is_not_repeated_again() -> None:
    config, events = begun([(1.0, 0.99), (1.0, 0.99)], candidates=2, seeds=3)
    events += [
        TrialProposed(trial=2, sampled={}, params={}, origin="confirmation", repeats=0),
        TrialFinished(trial=2, status="diverged", reason="NaN", failure_class="diverged"),
    ]
    repeated = confirm(config, events, noisy([1.0, 1.0]))
    assert repeated[0] == 1
    assert repeated[1] >= 2


def test_a_candidate_whose_repetitions_run_is_not_out() -> None:
    _, events = begun([(1.0, 0.99), (1.0, 0.99)], candidates=2, seeds=2)
    for number in (2, 3):
        params = {"seed": number}
        events.append(
            TrialProposed(trial=number, sampled={}, params=params, origin="confirmation", repeats=0)
        )
    events.append(TrialFinished(trial=2, status="failed", reason="gone", failure_class="worker_lost"))
    events += run(4, (1.0, 0.99), repeats=1)
    assert [each.standing for each in race(SearchState.from_events(events)).contenders] == ["open", "open"]
    events.append(TrialFinished(trial=3, status="failed", reason="gone", failure_class="worker_lost"))
    assert [each.standing for each in race(SearchState.from_events(events)).contenders] == ["out", "open"]


def test_where_seeds_are_searched_each_setting_is_one_candidate() -> None:
    config, events = begun([], candidates=2, seeds=2)
    for number, (lr, seed) in enumerate([(1e-3, 0), (1e-3, 1), (1e-3, 2), (1e-4, 0)]):
        metrics = {"train_loss": 1.0 + lr + seed, "retention": 0.99}
        events += trial_events(number, metrics, sampled={"lr": lr, "seed": seed})
    state = SearchState.from_events(events)
    assert [each.number for each in candidates(config, state)] == [3, 0]


@pytest.mark.parametrize(("alpha_of", "least", "most"), [(spent, 0.0, 0.05), (lambda _: 0.05, 0.1, 1.0)])
def test_however_often_a_race_looks_it_errs_as_rarely_as_it_says(
    alpha_of: Callable[[int], float], least: float, most: float
) -> None:
    """Of two candidates that are alike, a single look at 95% calls one worse in one of twenty searches."""
    goals = make_config(objectives=[{"metric": "loss", "direction": "min"}]).objectives
    draws, wrong = np.random.Generator(np.random.PCG64(3)).normal(size=(300, 2, 25)), 0
    for losses in draws:
        for count in range(2, losses.shape[1] + 1):
            means = pooled_means([Series(1.0, column, 0) for column in losses[:, :count]])
            runs = tuple(range(count))
            judged = {
                number: Candidate(number, runs, (), 0, (), {"loss": mean}, True)
                for number, mean in enumerate(means)
                if mean is not None
            }
            if "behind" in standings(goals, [0, 1], judged, 25, alpha_of).values():
                wrong += 1
                break
    assert least < wrong / len(draws) < most


@pytest.mark.parametrize(("right", "standing"), [(29, "open"), (12, "behind")])
def test_that_seeds_agree_does_not_put_a_candidate_behind_unless_the_questions_do(
    right: int, standing: str
) -> None:
    goals = make_config(objectives=[{"metric": "capability", "direction": "max"}]).objectives
    answers = [np.tile(np.arange(40) < count, (2, 1)).astype(float) for count in (32, right)]
    means = pooled_means([Series(1.0, each.mean(axis=1), 0, (("facts", each),)) for each in answers])
    judged = {
        number: Candidate(number, (1, 2), (), 0, (), {"capability": mean}, True)
        for number, mean in enumerate(means)
        if mean is not None
    }
    assert standings(goals, [0, 1], judged, 3)[1] == standing


def test_a_round_begins_when_the_one_before_has_ended() -> None:
    config, events = begun([(1.0, 0.99), (1.0, 0.99)], candidates=2, seeds=3)

    def propose() -> int | None:
        state = SearchState.from_events(events)
        chosen = Repetitions(config).next(state)
        if chosen is None:
            return None
        number, params = len(state.trials), {"seed": chosen.seed}
        events.append(
            TrialProposed(
                trial=number, sampled={}, params=params, origin="confirmation", repeats=chosen.trial
            )
        )
        return chosen.trial

    def end(number: int) -> None:
        events.extend(run(number, (1.0, 0.99))[1:])

    assert (propose(), propose(), propose()) == (0, 1, None)
    end(2)
    assert propose() is None, "the first round has not ended"
    end(3)
    assert (propose(), propose(), propose()) == (0, 1, None)


@given(
    st.lists(st.tuples(st.floats(0.5, 2.0), st.floats(0.9, 1.1)), min_size=1, max_size=5), st.integers(2, 4)
)
def test_no_race_takes_more_than_its_budget_and_all_that_stay_have_two_repetitions(
    points: list[tuple[float, float]], seeds: int
) -> None:
    config, events = begun(points, candidates=3, seeds=seeds)

    def draw(trial: int, drawn: random.Random) -> tuple[float, float]:
        loss, retention = points[trial]
        return drawn.gauss(loss, 0.02), drawn.gauss(retention, 0.02)

    repeated = confirm(config, events, draw)
    ended = race(SearchState.from_events(events))
    assert repeated.total() == ended.begun <= ended.budget
    for each in ended.contenders:
        spare = ended.begun < ended.budget  # else one that was behind may be open again, and nothing is left
        assert each.begun >= (2 if each.standing == "decided" or (each.standing == "open" and spare) else 1)


@pytest.mark.parametrize("more", [{"candidates": 2, "seeds": 4}, {"candidates": 3, "seeds": 2}])
def test_more_seeds_or_candidates_of_a_search_that_has_ended_cost_only_these(more: dict[str, Any]) -> None:
    points = [(1.0, 0.99)] * 3
    config, events = begun(points, candidates=2, seeds=2)
    before = confirm(config, events, noisy([1.0] * 3))
    assert before.total() == 4
    events.append(
        SessionStarted(session=1, trials=3, command="", host="", pid=1, confirm=more, time=BEGIN + 99)
    )
    larger = make_config(confirm=more)
    after = confirm(larger, events, noisy([1.0] * 3))
    assert after.total() == more["candidates"] * more["seeds"]
    assert after[0] >= before[0]
