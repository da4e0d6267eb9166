"""Values of stopped trials at the full budget, projected from how trained trials went on."""

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
from search.searchers.lessons import Lesson, valued, worse

Floats: TypeAlias = NDArray[np.float64]

MIN_TRAINED = 3
_MOST_TRAINED = 100
_PRIOR_WEIGHT = 3.0


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


def projected(objectives: Sequence[ObjectiveConfig], outcomes: Sequence[TrialOutcome]) -> list[Lesson]:
    """A stopped trial teaches the values that it would probably have reached.

    Per rung and objective, a line is fitted through the final values of trained trials over their values
    at the rung (see `fit_line`), and the stopped trial's last value is put into it. Violations follow from
    the projected values.

    Lines are learned from trials that were let through, which did well from then on, so that a projection is
    optimistic, and noise can place a stopped trial ahead of all that were trained. Nobody has seen it
    there, and a model that believes it goes on to search where trials were stopped. So the projection is held
    back to where a trained trial that beat it stays at least as good in every objective: of the trained
    trials that at the same rung violated the constraints less, or equally and dominated it (or of all trained
    ones, where it was stopped for another reason, such as spread), the one that needs the least correction,
    relative to the ranges of the objectives. So it is never on the front alone, and how far it lies behind is
    still learned.

    A trial that was stopped before the first rung, or at a rung with fewer than 3 trained trials, is `worse`.

    Args:
        objectives: As configured.
        outcomes: Of all finished trials; of the completed ones, the last 100 are learned from.

    Returns:
        One lesson per outcome.
    """
    completed = [
        outcome
        for outcome in outcomes
        if outcome.values is not None and valued(objectives, outcome.values).values is not None
    ][-_MOST_TRAINED:]
    rungs: dict[int, _Trained | None] = {}
    lessons = []
    for outcome in outcomes:
        lesson = worse(objectives, outcome)
        if outcome.status == "stopped" and outcome.rungs:
            rung = len(outcome.rungs) - 1
            if rung not in rungs:
                rungs[rung] = _learn(objectives, completed, rung)
            trained = rungs[rung]
            if valued(objectives, outcome.rungs[rung]).values is None:
                lesson = valued(objectives, outcome.rungs[rung])
            elif trained is not None:
                lesson = valued(objectives, _project(objectives, outcome.rungs[rung], trained))
        lessons.append(lesson)
    return lessons


def fit_line(x: Floats, y: Floats) -> tuple[float, float]:
    """A line through few and noisy points that hardly leaves the diagonal direction without reason.

    The slope is the median of those between pairs of points (Sen, 1968, doi:10.2307/2285891), at least 0 so
    that the order at the rung is kept, and shrunk towards 1 (the difference at the rung stays as it is) as
    if 3 more points said so; the intercept is the median of the residuals.

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
        slopes = (y[second] - y[first])[apart] / (x[second] - x[first])[apart]
        slope = max(0.0, float(np.median(slopes)))
        slope = (len(x) * slope + _PRIOR_WEIGHT) / (len(x) + _PRIOR_WEIGHT)
    return slope, float(np.median(y - slope * x))


def _learn(
    objectives: Sequence[ObjectiveConfig], completed: Sequence[TrialOutcome], rung: int
) -> _Trained | None:
    """What the completed trials tell of a rung, or None where too few were measured there."""
    usable = [
        outcome
        for outcome in completed
        if len(outcome.rungs) > rung and valued(objectives, outcome.rungs[rung]).values is not None
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
