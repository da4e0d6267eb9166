"""Grades of retention: how much of the base model's capability a tuned model has kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from trainables.interval import Interval

GradeName: TypeAlias = Literal["maintained", "slight", "moderate", "catastrophic"]

FLOORS: tuple[tuple[GradeName, float], ...] = (
    ("maintained", 0.95),
    ("slight", 0.85),
    ("moderate", 0.5),
    ("catastrophic", -math.inf),
)
"""Least retention of each grade, the best grade first."""

KEEPS = FLOORS[0][1]
"""Retention from which on capability counts as kept."""


def grade_labels(ratio: str) -> dict[GradeName, str]:
    """The grades in words with their bounds, which are of the ratio of that name."""
    return {
        "maintained": f"maintained ({ratio} 0.95 or more)",
        "slight": "slight loss (0.85 to 0.95)",
        "moderate": "moderate loss (0.5 to 0.85)",
        "catastrophic": "catastrophic loss (below 0.5)",
    }


@dataclass(frozen=True)
class Grade:
    """A grade, with what the interval of retention leaves open.

    Attributes:
        name: Grade of the measured retention.
        best: Grade of the interval's upper bound; that of the measured value where there is no interval.
        worst: Grade of its lower bound, likewise.
    """

    name: GradeName
    best: GradeName
    worst: GradeName

    @property
    def sure(self) -> bool:
        """Whether the whole interval has one grade."""
        return self.best == self.worst

    def __str__(self) -> str:
        return self.name if self.sure else f"{self.name} (anything from {self.best} to {self.worst})"


def grade(retention: float, interval: Interval | None = None) -> Grade | None:
    """The grade of a retention; None where it is NaN.

    Args:
        retention: Capability as a share of the base model's.
        interval: Its 95% interval, where there is one. A bound on the wrong side of the value is ignored.
    """
    if math.isnan(retention):
        return None
    low = retention if interval is None else min(retention, interval.low)
    high = retention if interval is None else max(retention, interval.high)
    return Grade(_name(retention), best=_name(high), worst=_name(low))


def _name(retention: float) -> GradeName:
    return next(name for name, floor in FLOORS if retention >= floor)
