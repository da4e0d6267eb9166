"""Objectives: metrics that are measured, with bounds that they can reach."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from search.config.checks import parts
from search.config.composed import Composed
from search.config.schema import ObjectiveConfig
from search.config.space import IntParameter
from trainables.messages import TRAIN_LOSS
from trainables.nearest import did_you_mean
from trainables.trainable import MetricSpec


def check_objectives(composed: Composed) -> None:
    """Every objective names a metric that is measured, and no two the same."""
    known = parts.metrics(composed)
    names = metric_names([metric for metric in known.metrics if metric.at == "every"])
    late = metric_names([metric for metric in known.metrics if metric.at != "every"])
    seen: set[str] = set()
    for index, objective in parts.objectives(composed).items():
        key = ("objectives", index, "metric")
        if objective.metric in seen:
            composed.complain(key, f"{objective.metric} is an objective twice", "keep one of them")
        elif objective.metric in names:
            pass
        elif objective.metric in late:
            message = f"{objective.metric!r} is not measured at every rung, because of `at` in its skill"
            composed.complain(key, message, "give the skill `at: every`, or name another metric")
        elif known.complete:
            hint = did_you_mean(objective.metric, names)
            composed.complain(key, f"{objective.metric!r} is not measured in this search", hint)
        seen.add(objective.metric)


def metric_names(metrics: Sequence[MetricSpec]) -> list[str]:
    """Names of all that a search measures: the training loss, ratios to the base, and these metrics."""
    ratios = [metric.relative for metric in metrics if metric.relative is not None]
    return [TRAIN_LOSS, *ratios, *(metric.name for metric in metrics)]


def check_bounds(composed: Composed) -> None:
    """Floors and ceilings that the metric cannot reach, and steps wider than their range."""
    ranges = _ranges(composed)
    for index, objective in parts.objectives(composed).items():
        if objective.metric in ranges:
            _check_reach(composed, index, objective, ranges[objective.metric])
    for name, parameter in parts.parameters(composed).items():
        if isinstance(parameter, IntParameter) and parameter.step > parameter.high - parameter.low > 0:
            composed.complain(
                ("parameters", name, "step"),
                (
                    f"is {parameter.step}, so the first step from {parameter.low} is already above "
                    f"{parameter.high}"
                ),
                "give a smaller step, or fix the parameter",
            )


class _Range(NamedTuple):
    """The least and the greatest value of a metric, and whether it is a ratio to the base."""

    low: float
    high: float
    ratio: bool = False


def _ranges(composed: Composed) -> Mapping[str, _Range]:
    """The values of every metric that there is.

    A ratio of what is maximised may come out above 1; to ask for that is to ask for another base model.
    """
    metrics = parts.metrics(composed).metrics
    ratios = {
        metric.relative: _Range(0.0, math.inf if metric.direction == "min" else 1.0, ratio=True)
        for metric in metrics
        if metric.relative is not None
    }
    others = {metric.name: _Range(metric.low, metric.high) for metric in metrics}
    return {TRAIN_LOSS: _Range(0.0, math.inf)} | ratios | others


def _check_reach(composed: Composed, index: int, objective: ObjectiveConfig, values: _Range) -> None:
    """Refuses a bound outside the metric's range: every trial would keep it, or none."""
    low, high = values.low, values.high
    for name, bound in (("floor", objective.floor), ("ceiling", objective.ceiling)):
        if bound is None or low <= bound <= high:
            continue
        metric = objective.metric
        reach = f"from {low:g} to {high:g}" if math.isfinite(high) else f"at least {low:g}"
        message = f"is {bound:g}, and {metric} is {reach}"
        if values.ratio and bound > high:
            message = f"is {bound:g}, and 1 is the level of the base model"
        percent = high == 1 and 2 < bound <= 100
        hint = f"{bound:g}% is {bound / 100:g}" if percent else f"give a {name} {reach}"
        composed.complain(("objectives", index, name), message, hint)
