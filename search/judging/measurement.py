"""What a trial's measurements mean to those who decide: objective values and constraint violations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search.config.schema import ObjectiveConfig
from search.record.events import Interval, TrialStatus


@dataclass(frozen=True)
class Outcome:
    """What a finished trial tells the searcher.

    Attributes:
        trial: Number of the trial.
        status: How it ended; "completed" is the only one that reached the full budget.
        rungs: Objective values at each rung that it reached, the first rung first; in the configured order
            and in the metrics' own units, NaN where one was not measured.
    """

    trial: int
    status: TrialStatus
    rungs: tuple[tuple[float, ...], ...] = ()

    @property
    def values(self) -> tuple[float, ...] | None:
        """Objective values at the full budget; None where the trial did not get there."""
        return self.rungs[-1] if self.status == "completed" and self.rungs else None


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
    for objective in objectives:
        if (constraint := _constraint(objective)) is None:
            continue
        bound, sign = constraint
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
    """Sum of what is violated, each relative to the size of its bound; 0 where all constraints are kept.

    Violations of metrics in different units can be added only so; a bound of 0 counts as 1.
    """
    constraints = [constraint for objective in objectives if (constraint := _constraint(objective))]
    return sum(
        max(0.0, violation) / (abs(bound) or 1.0)
        for (bound, _), violation in zip(constraints, violations, strict=True)
    )


def _constraint(objective: ObjectiveConfig) -> tuple[float, int] | None:
    """Bound, and the sign of a metric's excess over it that violates the constraint."""
    if objective.floor is not None:
        return objective.floor, -1
    if objective.ceiling is not None:
        return objective.ceiling, 1
    return None
