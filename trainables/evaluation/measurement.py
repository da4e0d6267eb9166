"""Metrics and intervals from the outcomes of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from trainables.evaluation.metrics import METRICS
from trainables.evaluation.metrics.beliefs import belief_items
from trainables.evaluation.outcomes import Outcomes, merge
from trainables.interval import Interval
from trainables.messages import DEGENERATE

T = TypeVar("T")


@dataclass(frozen=True)
class Measurement(Generic[T]):
    """One evaluation.

    Attributes:
        metrics: Each where it was measured.
        intervals: 95% confidence intervals of the metrics (`intervals` gives the formulas).
        seconds: Time by part, and "total"; of several workers the longest.
        items: Outcomes item by item, as in `trainables.messages.Reply`.
        outcomes: What it was made of.
        values: Of metrics that are means of numbers, the number of each item.
    """

    metrics: dict[str, float]
    intervals: dict[str, Interval]
    seconds: dict[str, float]
    items: dict[str, str]
    outcomes: T
    values: dict[str, Sequence[float]] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, float]:
        """Seconds by part of the evaluation."""
        return {part: seconds for part, seconds in self.seconds.items() if part != "total"}


def combine(parts: Sequence[Outcomes]) -> Measurement[Outcomes]:
    """The measurement over all items, from the outcomes of one or more workers.

    It has whatever is registered in `trainables.evaluation.metrics` and can be measured of them.
    Items are put into their own order, so the result does not depend on how they were shared out.
    """
    outcomes = merge(parts)
    metrics: dict[str, float] = {}
    intervals: dict[str, Interval] = {}
    values: dict[str, Sequence[float]] = {}
    for registered in METRICS:
        for name, estimate in METRICS[registered].measure(outcomes).items():
            metrics[name] = estimate.value
            if estimate.interval is not None:
                intervals[name] = estimate.interval
            if estimate.values:
                values[name] = estimate.values
    return Measurement(metrics, intervals, outcomes.seconds, _items(outcomes), outcomes, values)


def _items(outcomes: Outcomes) -> dict[str, str]:
    items = {score.skill: score.bits("correct") for score in outcomes.scores if score.primary}
    items |= belief_items(outcomes)
    degenerate = "".join(score.bits("degenerate") for score in outcomes.generating)
    return items | ({DEGENERATE: degenerate} if degenerate else {})
