"""What finished trials teach: the treatments of stopped ones, and what is forgotten."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.config.schema import ObjectiveConfig
from search.searchers.base import TrialOutcome
from search.searchers.known import KnownTrials
from search.searchers.lessons import (
    BROKEN,
    Lesson,
    informative,
    lesson_of_outcome,
    lesson_of_values,
    lessons_at_rung,
    with_values,
)
from search.searchers.projection import fit_line, project_lessons
from tests.search.searching import build, make_config

LOSS = ObjectiveConfig(metric="loss", direction="min")
RETENTION = ObjectiveConfig(metric="retention", direction="max", floor=0.9)
OBJECTIVES = (LOSS, RETENTION)
Values = tuple[float, float]


def completed(trial: int, *rungs: Values) -> TrialOutcome:
    return TrialOutcome(trial, "completed", rungs)


def stopped(trial: int, *rungs: Values) -> TrialOutcome:
    return TrialOutcome(trial, "stopped", rungs)


def test_worse_orders_trials_by_how_they_ended() -> None:
    order = [
        completed(0, (1.0, 0.95)),
        completed(1, (1.0, 0.91)),
        completed(2, (1.0, 0.8)),
        completed(3, (1.0, 0.1)),
        stopped(4, (0.0, 1.0), (0.0, 1.0)),
        stopped(5, (0.0, 1.0)),
        stopped(6),
        TrialOutcome(7, "diverged", ((0.0, 1.0),)),
    ]
    lessons = [lesson_of_outcome(OBJECTIVES, outcome) for outcome in order]
    missed = [lesson.missed for lesson in lessons]
    assert missed == sorted(missed)
    assert len(set(missed)) == len(missed)
    assert missed[1] < 0 < missed[2]
    assert [lesson.values is not None for lesson in lessons] == [True] * 4 + [False] * 4


@pytest.mark.parametrize("values", [(math.nan, 1.0), (1.0, math.nan), (math.inf, 1.0), (1.0, -math.inf)])
@pytest.mark.parametrize("status", ["completed", "stopped", "diverged", "infeasible", "failed"])
def test_values_that_are_not_finite_are_never_told(status: str, values: Values) -> None:
    good = [completed(trial, (2.0, 1.0), (1.0 + trial, 1.0)) for trial in range(5)]
    bad = TrialOutcome(9, status, (values,))  # type: ignore[arg-type]
    lessons = [lesson_of_outcome(OBJECTIVES, bad), project_lessons(OBJECTIVES, [*good, bad])[-1]]
    lessons.append(lessons_at_rung(OBJECTIVES, [*good, bad], 3)[-1])
    assert all(lesson.values is None and lesson.missed > 1 for lesson in lessons)


def test_no_constraint_is_always_kept() -> None:
    assert lesson_of_values([LOSS], [5.0]) == Lesson((5.0,), -1.0)


def test_a_rung_needs_enough_trials() -> None:
    outcomes = [
        completed(0, (3.0, 1.0), (2.0, 1.0), (1.0, 1.0)),
        stopped(1, (4.0, 1.0), (3.0, 0.8)),
        stopped(2, (5.0, 1.0)),
        TrialOutcome(3, "diverged", ((0.0, 1.0), (0.0, 1.0))),
    ]
    assert [lesson.values for lesson in lessons_at_rung(OBJECTIVES, outcomes, 1)] == [
        (1.0, 1.0),
        None,
        None,
        None,
    ]
    second = lessons_at_rung(OBJECTIVES, outcomes, 2)
    assert [lesson.values for lesson in second] == [(2.0, 1.0), (3.0, 0.8), None, None]
    assert second[0].missed <= 0 < second[1].missed < 1 < second[2].missed < second[3].missed == BROKEN
    assert [lesson.values for lesson in lessons_at_rung(OBJECTIVES, outcomes, 3)] == [
        (3.0, 1.0),
        (4.0, 1.0),
        (5.0, 1.0),
        None,
    ]
    assert lessons_at_rung(OBJECTIVES, outcomes, 4) == [
        lesson_of_outcome(OBJECTIVES, outcome) for outcome in outcomes
    ]


def _falling(trial: int, loss: float, retention: float = 1.0) -> TrialOutcome:
    """Half of what the loss has above 1 goes between the rungs, and 0.02 of retention."""
    return completed(trial, (loss, retention), (1 + (loss - 1) / 2, retention - 0.02))


def test_a_stopped_trial_is_projected_as_the_trained_ones_went_on() -> None:
    trained = [_falling(trial, 2.0 + 0.1 * trial) for trial in range(40)]
    lesson = project_lessons(OBJECTIVES, [*trained, stopped(99, (8.0, 0.95))])[-1]
    assert lesson.values is not None
    # Between the slope of the trained trials, one half, and the diagonal.
    assert 1 + 7 / 2 - 0.01 < lesson.values[0] < 1 + 7 / 2 + 0.4
    assert lesson.values[1] == pytest.approx(0.93, abs=0.005)


def test_a_projection_violates_what_its_values_violate() -> None:
    trained = [_falling(trial, 2.0 + 0.1 * trial) for trial in range(5)]
    kept, missed = project_lessons(OBJECTIVES, [*trained, stopped(8, (5.0, 0.93)), stopped(9, (5.0, 0.91))])[
        -2:
    ]
    assert kept.missed < 0 < missed.missed < 1


def test_too_few_trained_trials_project_nothing() -> None:
    trained = [_falling(trial, 2.0 + trial) for trial in range(2)]
    other = completed(5, (math.nan, 1.0), (1.0, 1.0))
    outcome = stopped(9, (5.0, 1.0))
    assert project_lessons(OBJECTIVES, [*trained, other, outcome])[-1] == lesson_of_outcome(
        OBJECTIVES, outcome
    )
    assert project_lessons(OBJECTIVES, [*trained, _falling(3, 4.0), outcome])[-1].values is not None


_VALUE = st.tuples(st.floats(0, 10), st.floats(0.5, 1))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(_VALUE, _VALUE), min_size=3, max_size=12),
    st.lists(st.lists(_VALUE, min_size=1, max_size=1), min_size=1, max_size=5),
)
def test_no_projection_is_ahead_of_all_that_were_trained(
    trained: list[tuple[Values, Values]], others: list[list[Values]]
) -> None:
    outcomes = [completed(trial, *rungs) for trial, rungs in enumerate(trained)]
    outcomes += [stopped(100 + trial, *rungs) for trial, rungs in enumerate(others)]
    for outcome, lesson in zip(outcomes, project_lessons(OBJECTIVES, outcomes), strict=True):
        if outcome.status == "completed":
            assert lesson == lesson_of_outcome(OBJECTIVES, outcome)
            continue
        assert lesson.values is not None
        beaters = [final for here, final in trained if _dominates(here, outcome.rungs[0])] or [
            final for _, final in trained
        ]
        if _kept(outcome.rungs[0]):
            assert any(final[0] <= lesson.values[0] and final[1] >= lesson.values[1] for final in beaters)
        assert any(final[0] <= lesson.values[0] and final[1] >= lesson.values[1] for _, final in trained)


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether the one keeps the floor and is better."""
    return _kept(one) and one[0] <= other[0] and one[1] >= other[1] and tuple(one) != tuple(other)


def _kept(values: Sequence[float]) -> bool:
    return values[1] >= 0.9


@settings(max_examples=100)
@given(st.floats(-3, 3), st.floats(-5, 5), st.integers(2, 60), st.integers(0, 99))
def test_a_line_lies_between_the_data_and_the_diagonal(
    slope: float, level: float, count: int, seed: int
) -> None:
    x = np.random.default_rng(seed).uniform(0, 1, count)
    found, intercept = fit_line(x, slope * x + level)
    low, high = sorted((max(0.0, slope), 1.0))
    assert low - 1e-9 <= found <= high + 1e-9
    assert np.median(slope * x + level - found * x - intercept) == pytest.approx(0, abs=1e-9)


def test_a_line_is_hardly_moved_by_an_outlier() -> None:
    x = np.linspace(0, 1, 20)
    y = x + 1
    y[3] = 1e6
    assert fit_line(x, y) == pytest.approx((1.0, 1.0))
    assert fit_line(np.ones(3), np.array([1.0, 2.0, 9.0])) == (1.0, 1.0)


def test_missing_values_are_the_worst_of_the_others() -> None:
    lessons = [Lesson((1.0, 0.95), -0.1), Lesson((2.0, 0.8), 0.2), Lesson(None, BROKEN)]
    assert with_values(lessons, OBJECTIVES) == [*lessons[:2], Lesson((2.0, 0.8), 0.2)]
    assert with_values(lessons[2:], OBJECTIVES) == [Lesson((0.0, 0.0), 1.0)]


def test_the_best_and_the_newest_are_remembered() -> None:
    known = KnownTrials(OBJECTIVES, capacity=20)
    forgotten: list[int] = []
    for number in range(200):
        known.begin(number, {"lr": number})
        # Trials 7 and 8 are each best in one objective, trial 9 is bad and violates; the rest lie between.
        values = {7: (0.0, 0.95), 8: (1.0, 1.0), 9: (-1.0, 0.1)}.get(number, (2.0 + number, 0.94))
        forgotten += known.end(completed(number, values))
    assert known.ended == 200
    assert len(known.finished) <= 30
    assert sorted([*forgotten, *known.finished]) == list(range(200))
    assert {7, 8} | set(range(182, 200)) <= set(known.finished)
    assert 9 in forgotten
    assert all(known.sampled(number) == {"lr": number} for number in known.finished)


def test_what_is_forgotten_is_finished() -> None:
    known = KnownTrials(OBJECTIVES, capacity=10)
    known.begin(0, {})
    for number in range(1, 50):
        known.begin(number, {})
        known.end(TrialOutcome(number, "failed"))
    assert list(known.running) == [0]
    with pytest.raises(KeyError):
        known.end(TrialOutcome(1, "failed"))


def curve(trial: int, early: float, middle: float, late: float) -> TrialOutcome:
    return completed(trial, (early, 1.0), (middle, 1.0), (late, 1.0))


def test_stopped_trials_teach_only_at_rungs_that_predict_the_end() -> None:
    # The first rung has the loss upside down, the second as it will be.
    trained = [curve(trial, 20.0 - trial, float(trial), float(trial)) for trial in range(12)]
    early, late = stopped(90, (5.0, 1.0)), stopped(91, (5.0, 1.0), (5.0, 1.0))
    broken = TrialOutcome(92, "diverged", ((5.0, 1.0),))
    used = informative(OBJECTIVES, [*trained, early, late, broken])
    assert used == [True] * 12 + [False, True, True]


def test_a_rung_is_taken_to_predict_the_end_until_trials_have_shown_otherwise() -> None:
    assert informative(OBJECTIVES, [stopped(0, (1.0, 1.0)), stopped(1)]) == [True, True]
    assert informative(OBJECTIVES, [curve(0, 1.0, 1.0, 1.0), stopped(1, (1.0, 1.0))]) == [True, True]


def proposals_after(*rungs: Values) -> list[dict[str, object]]:
    """What TPE proposes when of every third trial no more than these rungs are known."""
    searcher, _ = build(make_config("tpe", points=(), stopped="pending"))
    found = []
    for number in range(18):
        proposal = searcher.propose(number)
        assert proposal is not None
        found.append(dict(proposal.sampled))
        outcome = stopped(number, *rungs) if number % 3 == 0 else completed(number, (2.0, 0.99), (1.0, 0.97))
        searcher.observe(outcome)
    return found


def test_of_pending_trials_only_where_they_were_is_told_unless_they_broke_a_constraint() -> None:
    assert proposals_after((3.0, 1.0)) == proposals_after((0.1, 0.98))
    assert proposals_after((3.0, 1.0)) != proposals_after((3.0, 0.5))
