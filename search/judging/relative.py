"""Retention: a metric as a share of the base's, with an interval paired item by item where it can be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from search.judging.paired import pairable, ratio_of_means
from search.record.events import BaselineMeasured
from trainables.interval import Interval
from trainables.trainable import MetricSpec


def relative_metrics(metrics: Iterable[MetricSpec]) -> dict[str, MetricSpec]:
    """The metrics that are compared with the base, by the name of their ratio to it."""
    return {metric.relative: metric for metric in metrics if metric.relative is not None}


def with_ratios(
    metrics: Mapping[str, float], base: BaselineMeasured | None, relative: Mapping[str, MetricSpec]
) -> dict[str, float]:
    """The metrics of a rung with their ratios to the base, as far as both were measured.

    Args:
        metrics: As measured.
        base: The base's measurement.
        relative: As `relative_metrics` gives them.
    """
    extended = dict(metrics)
    for ratio, metric in relative.items():
        if base is not None and metric.name in metrics and metric.name in base.metrics:
            extended[ratio] = metrics[metric.name] / base.metrics[metric.name]
    return extended


def with_ratio_intervals(
    intervals: Mapping[str, Interval],
    items: Mapping[str, str],
    base: BaselineMeasured | None,
    relative: Mapping[str, MetricSpec],
) -> dict[str, Interval]:
    """The intervals of a rung with those of the ratios to the base.

    They are paired item by item. Measurements that cannot be paired, such as those of a record without
    items, have the metric's interval divided by the base's value, as if that were known exactly.

    Args:
        intervals: Of the rung's metrics.
        items: The rung's items, as in `RungReached.items`.
        base: The base's measurement.
        relative: As `relative_metrics` gives them.
    """
    extended = dict(intervals)
    for ratio, metric in relative.items():
        if base is None or metric.name not in base.metrics or metric.name not in intervals:
            continue
        if metric.items and pairable(base.items, items, metric.items):
            extended[ratio] = ratio_of_means([(base.items[name], items[name]) for name in metric.items])
        else:
            measured, scale = intervals[metric.name], base.metrics[metric.name]
            extended[ratio] = Interval(low=measured.low / scale, high=measured.high / scale, n=measured.n)
    return extended
