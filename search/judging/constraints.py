"""Constraints: the floors and ceilings of objectives, and by how much measurements violate them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from search.config.schema import ObjectiveConfig
from trainables.interval import Interval


def bound_of(objective: ObjectiveConfig) -> float | None:
    """Floor or ceiling, whichever the objective has."""
    return objective.ceiling if objective.floor is None else objective.floor


def bound_name(objective: ObjectiveConfig) -> str:
    """ "floor" or "ceiling"."""
    return "floor" if objective.floor is not None else "ceiling"


def constraints_of(objectives: Sequence[ObjectiveConfig]) -> list[ObjectiveConfig]:
    """The objectives with a floor or a ceiling."""
    return [objective for objective, _ in _bounds(objectives)]


def keeps_constraints(objectives: Sequence[ObjectiveConfig], metrics: Mapping[str, float]) -> bool:
    """Whether the measured values themselves, not the bounds of their intervals, keep every constraint."""
    return all(violation <= 0 for violation in constraint_violations(objectives, metrics))


def violation_of(objectives: Sequence[ObjectiveConfig], values: Sequence[float]) -> float:
    """`total_violation` of objective values; inf where a constrained one is NaN.

    Args:
        objectives: As configured.
        values: Objective values in the same order.
    """
    metrics = {objective.metric: value for objective, value in zip(objectives, values, strict=True)}
    return total_violation(objectives, constraint_violations(objectives, metrics))


def constraint_violations(
    objectives: Sequence[ObjectiveConfig],
    metrics: Mapping[str, float],
    intervals: Mapping[str, Interval] | None = None,
) -> tuple[float, ...]:
    """By how much each constraint is violated, in the metric's own unit; at most 0 where it is kept.

    Args:
        objectives: As configured; those with a floor or a ceiling are the constraints, in this order.
        metrics: Measured values. One that is missing or NaN violates its constraint by inf.
        intervals: For decisions: where a metric has an interval here, the bound that favours the trial
            is used, so that the constraint is violated only where the whole interval violates it.
            None, for ranking and for the searcher: the measured values themselves.
    """
    violations = []
    for objective, bound in _bounds(objectives):
        sign = 1 if objective.floor is None else -1  # of an excess over the bound that violates it
        value = metrics.get(objective.metric, math.nan)
        interval = (intervals or {}).get(objective.metric)
        if interval is not None:
            favourable = interval.low if sign > 0 else interval.high
            # An interval that does not hold the measured value, or is NaN, must not make it worse.
            value = value if not sign * favourable < sign * value else favourable
        violation = sign * (value - bound)
        violations.append(math.inf if math.isnan(violation) else violation)
    return tuple(violations)


def total_violation(objectives: Sequence[ObjectiveConfig], violations: Sequence[float]) -> float:
    """Sum of the violations, each relative to the size of its bound; 0 where all constraints are kept.

    Metrics differ in their units, so that only relative violations can be added; a bound of 0 counts as 1.
    """
    return sum(
        max(0.0, violation) / (abs(bound) or 1.0)
        for (_, bound), violation in zip(_bounds(objectives), violations, strict=True)
    )


def _bounds(objectives: Sequence[ObjectiveConfig]) -> Iterator[tuple[ObjectiveConfig, float]]:
    """The constraints with their bounds."""
    for objective in objectives:
        if (bound := bound_of(objective)) is not None:
            yield objective, bound
