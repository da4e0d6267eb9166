"""Retention: capability as a share of the base model's, with an interval paired over the questions."""

from __future__ import annotations

from collections.abc import Mapping

from search.judging.paired import ratio_of_means
from search.record.events import BaselineMeasured
from trainables.interval import Interval
from trainables.messages import DEGENERATE, Reply

RETENTION = "retention"


def with_retention(metrics: Mapping[str, float], base: BaselineMeasured | None) -> dict[str, float]:
    """A rung's metrics with retention added, where there is a base model to compare with."""
    if base is None or "capability" not in metrics:
        return dict(metrics)
    return dict(metrics) | {RETENTION: metrics["capability"] / base.metrics["capability"]}


def recorded_intervals(reply: Reply) -> dict[str, Interval]:
    """A worker's intervals as the record holds them."""
    return {key: Interval(*interval) for key, interval in reply.intervals.items()}


def with_retention_interval(
    intervals: Mapping[str, Interval], items: Mapping[str, str], base: BaselineMeasured | None
) -> dict[str, Interval]:
    """A rung's intervals with that of retention added.

    It is paired item by item. Where that is impossible, as in a record without items, it is the interval of
    capability divided by the base model's score, as if that were known exactly.

    Args:
        intervals: Of the rung's metrics.
        items: The rung's items, as in `RungReached.items`.
        base: The base model's measurement.
    """
    if base is None or "capability" not in intervals:
        return dict(intervals)
    if base.items and _pairable(base.items, items):
        skills = [(base.items[name], items[name]) for name in items if name != DEGENERATE]
        retention = ratio_of_means(skills)
    else:
        capability, scale = intervals["capability"], base.metrics["capability"]
        retention = Interval(low=capability.low / scale, high=capability.high / scale, n=capability.n)
    return {**intervals, RETENTION: retention}


def _pairable(base: Mapping[str, str], tuned: Mapping[str, str]) -> bool:
    """Whether two measurements have the same items, by their names and counts."""
    return base.keys() == tuned.keys() and all(len(base[name]) == len(tuned[name]) for name in base)
