"""What a trial measured at a rung, in the words of a decision's reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from search.config.schema import ObjectiveConfig
from search.judging.constraints import constraint_violations
from trainables.interval import Interval


def measured_text(objectives: Sequence[ObjectiveConfig], metrics: Mapping[str, float]) -> list[str]:
    """Each objective with its value."""
    return [
        f"{objective.metric} {metrics[objective.metric]:.4g}"
        if objective.metric in metrics
        else f"{objective.metric} was not measured"
        for objective in objectives
    ]


def violations_text(
    objectives: Sequence[ObjectiveConfig], metrics: Mapping[str, float], intervals: Mapping[str, Interval]
) -> list[str]:
    """One finding per constraint that is surely violated."""
    texts = []
    for objective in objectives:
        if not bound_text(objective):
            continue
        (violation,) = constraint_violations([objective], metrics, intervals)
        if violation > 0:
            texts.append(_violation(objective, metrics, intervals))
    return texts


def bounds_text(objectives: Sequence[ObjectiveConfig]) -> str:
    """All constraints, or nothing."""
    return " and ".join(filter(None, map(bound_text, objectives)))


def bound_text(objective: ObjectiveConfig) -> str:
    """The objective's constraint, or nothing."""
    if objective.floor is not None:
        return f"{objective.metric} >= {objective.floor:g}"
    if objective.ceiling is not None:
        return f"{objective.metric} <= {objective.ceiling:g}"
    return ""


def _violation(
    objective: ObjectiveConfig, metrics: Mapping[str, float], intervals: Mapping[str, Interval]
) -> str:
    if objective.metric not in metrics:
        return f"{objective.metric} was not measured"
    text = f"{objective.metric} {metrics[objective.metric]:.3g}"
    if objective.metric in intervals:
        interval = intervals[objective.metric]
        text += f" [{interval.low:.3g}, {interval.high:.3g}]"
    if objective.floor is not None:
        return f"{text} is below the floor {objective.floor:g}"
    return f"{text} is above the ceiling {objective.ceiling:g}"
