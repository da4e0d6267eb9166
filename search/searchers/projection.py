"""Values of stopped trials at the full budget, projected from the curves of fully trained trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from search.config.schema import ObjectiveConfig
from search.judging.constraints import violation_of
from search.judging.objectives import to_costs
from search.searchers.base import TrialOutcome
from search.searchers.lessons import Lesson, lesson_of_outcome, lesson_of_values

Floats: TypeAlias = NDArray[np.float64]

MIN_TRAINED = 3
_MOST_TRAINED = 100
_PRIOR_WEIGHT = 3.0
_STEEPEST = 1e100
"""Of a line: products with costs stay finite."""


@dataclass(frozen=True)
class _Trained:
    """Trials trained to the end, at a rung that some were stopped at.

    Attributes:
        here: Costs (objective values, to be minimised) at the rung, shape (n, objectives).
        final: Costs at the full budget, same shape.
        violation: Total violation at the rung, shape (n,).
        lines: Slope and intercept per objective.
        spread: Range of the final costs per objective.
    """

    here: Floats
    final: Floats
    violation: Floats
    lines: list[tuple[float, float]]
    spread: Floats


def project_lessons(objectives: Sequence[ObjectiveConfig], outcomes: Sequence[TrialOutcome]) -> list[Lesson]:
    """The lessons where a stopped trial teaches the values that it would probably have reached.

    Per rung and objective, a line is fitted through the final values of trained trials over their values
    at the rung (see `fit_line`), and the stopped trial's last value is put into it. Violations follow from
    the projected values.

    The lines are learned from promoted trials, which did well later, so that a projection is optimistic, and
    noise can place a stopped trial ahead of all trained trials. A model that believes this keeps searching
    where trials are stopped. So the projection is corrected until one trained trial that beat the stopped
    trial is at least as good in every objective. It is chosen from the trained trials that at the same rung
    violated the constraints less, or equally and dominated it (from all trained trials where there are none,
    as when it was stopped for its spread): the trial that needs the least correction, relative to the ranges
    of the objectives. A projection is thus never alone on the front, and still shows how far behind it lies.

    A trial that was stopped before the first rung, or at a rung with fewer than 3 trained trials, teaches
    `lesson_of_outcome`.

    Args:
        objectives: As configured.
        outcomes: Of all finished trials; lines are learned from the last 100 that completed.

    Returns:
        One lesson per outcome.
    """
    completed = [
        outcome
        for outcome in outcomes
        if outcome.values is not None and lesson_of_values(objectives, outcome.values).values is not None
    ][-_MOST_TRAINED:]
    rungs: dict[int, _Trained | None] = {}
    lessons = []
    for outcome in outcomes:
        lesson = lesson_of_outcome(objectives, outcome)
        if outcome.status == "stopped" and outcome.rungs:
            rung = len(outcome.rungs) - 1
            if rung not in rungs:
                rungs[rung] = _learn(objectives, completed, rung)
            trained = rungs[rung]
            if lesson_of_values(objectives, outcome.rungs[rung]).values is None:
                lesson = lesson_of_values(objectives, outcome.rungs[rung])
            elif trained is not None:
                lesson = lesson_of_values(objectives, _project(objectives, outcome.rungs[rung], trained))
        lessons.append(lesson)
    return lessons


def fit_line(x: Floats, y: Floats) -> tuple[float, float]:
    """A line through few and noisy points, with a slope near 1 unless they say otherwise.

    The slope is the median of those between pairs of points (Sen, 1968, doi:10.2307/2285891), at least 0 so
    that the order at the rung is kept, and shrunk towards 1, where differences at the rung stay as they are,
    with the weight of 3 points. The intercept is the median of the residuals.

    Args:
        x: Shape (n,), n at least 1.
        y: Shape (n,).

    Returns:
        Slope and intercept.
    """
    first, second = np.triu_indices(len(x), 1)
    apart = x[second] != x[first]
    slope = 1.0
    if apart.any():
        with np.errstate(over="ignore"):
            slopes = (y[second] - y[first])[apart] / (x[second] - x[first])[apart]
        slope = min(max(0.0, float(np.median(slopes))), _STEEPEST)
        slope = (len(x) * slope + _PRIOR_WEIGHT) / (len(x) + _PRIOR_WEIGHT)
    return slope, float(np.median(y - slope * x))


def _learn(
    objectives: Sequence[ObjectiveConfig], completed: Sequence[TrialOutcome], rung: int
) -> _Trained | None:
    """What the completed trials show of a rung; None where too few were measured there."""
    usable = [
        outcome
        for outcome in completed
        if len(outcome.rungs) > rung and lesson_of_values(objectives, outcome.rungs[rung]).values is not None
    ]
    if len(usable) < MIN_TRAINED:
        return None
    here = np.array([to_costs(objectives, outcome.rungs[rung]) for outcome in usable])
    final = np.array([to_costs(objectives, outcome.rungs[-1]) for outcome in usable])
    return _Trained(
        here=here,
        final=final,
        violation=np.array([violation_of(objectives, outcome.rungs[rung]) for outcome in usable]),
        lines=[fit_line(x, y) for x, y in zip(here.T, final.T, strict=True)],
        spread=np.ptp(final, axis=0),
    )


def _project(
    objectives: Sequence[ObjectiveConfig], values: Sequence[float], trained: _Trained
) -> list[float]:
    costs = np.array(to_costs(objectives, values))
    violation = violation_of(objectives, values)
    projection = np.array(
        [slope * cost + level for cost, (slope, level) in zip(costs, trained.lines, strict=True)]
    )
    dominated = (trained.here <= costs).all(axis=1) & (trained.here < costs).any(axis=1)
    ahead = (trained.violation < violation) | ((trained.violation == violation) & dominated)
    beaters = trained.final[ahead] if ahead.any() else trained.final
    held = np.maximum(beaters, projection)
    moved = ((held - projection) / np.where(trained.spread > 0, trained.spread, 1.0)).sum(axis=1)
    return list(to_costs(objectives, held[int(np.argmin(moved))].tolist()))
