"""Metrics of users, by the names that `capability.metrics` gives them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from trainables.evaluation.intervals import token_mean
from trainables.evaluation.metrics.base import METRICS, Asked, Metric, MetricEstimate, share_of
from trainables.evaluation.outcomes import Outcomes

OWN = "<metric>"


def names(asked: Asked) -> list[str]:
    """Those of the configuration, where there are replies at every rung to measure them on."""
    return [metric.name for metric in asked.capability.metrics] if asked.generates else []


def measure(outcomes: Outcomes) -> dict[str, MetricEstimate]:
    """Their means over the questions."""
    return {name: _estimate(given.sums) for name, given in outcomes.own.items() if given.sums}


def _estimate(values: Sequence[float]) -> MetricEstimate:
    """The mean: with Wilson's interval where every value is 0 or 1, else with Student's."""
    if set(values) <= {0.0, 1.0}:
        return share_of(int(sum(values)), len(values))._replace(values=list(values))
    mean, interval = token_mean(np.array(values, np.float64), np.ones(len(values), np.int64))
    return MetricEstimate(mean, interval, list(values))


METRICS.register(OWN, "Mean of what a metric of your own gives each question that is asked at every rung.")(
    Metric(names, measure, low=-math.inf)
)
