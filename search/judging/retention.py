"""Retention: capability as a share of the base model's, with an interval paired over the questions."""

from __future__ import annotations

from collections.abc import Mapping

from search.judging.paired import ratio_of_means
from search.record.events import BaselineMeasured
from trainables.interval import Interval
from trainables.messages import DEGENERATE

RETENTION = "retention"


def retained(metrics: Mapping[str, float], base: BaselineMeasured | None) -> dict[str, float]:
    """The metrics of a rung with retention, where there is a base model to compare with."""
    if base is None or "capability" not in metrics:
        return dict(metrics)
    return dict(metrics) | {RETENTION: metrics["capability"] / base.metrics["capability"]}


def retained_interval(
    intervals: Mapping[str, Interval], items: Mapping[str, str], base: BaselineMeasured | None
) -> dict[str, Interval]:
    """The intervals of a rung with that of retention.

    It is paired item by item. Measurements that cannot be paired, such as those of a record without
    items, have that of capability divided by the base model's score, as if that were known exactly.

    Args:
        intervals: Of the rung's metrics.
        items: The rung's items, as in `RungReached.items`.
        base: The base model's measurement.
    """
    found = dict(intervals)
    if base is None or "capability" not in found:
        return found
    if base.items and _pairable(base.items, items):
        skills = [(base.items[name], items[name]) for name in items if name != DEGENERATE]
        found[RETENTION] = ratio_of_means(skills)
    else:
        capability, scale = found["capability"], base.metrics["capability"]
        found[RETENTION] = Interval(low=capability.low / scale, high=capability.high / scale, n=capability.n)
    return found


def _pairable(base: Mapping[str, str], tuned: Mapping[str, str]) -> bool:
    """Whether two measurements are of the same items, as far as their names and counts tell."""
    return base.keys() == tuned.keys() and all(len(base[name]) == len(tuned[name]) for name in base)
