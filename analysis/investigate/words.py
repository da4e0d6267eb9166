"""How an investigation writes its numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from search import wording
from trainables.interval import Interval
from trainables.text import joined

_MOST_NAMES = 6


def p_text(p: float) -> str:
    """For example `p = 0.013`, `p below 0.001`."""
    if math.isnan(p):
        return "no p-value"
    return "p below 0.001" if p < 0.001 else f"p = {p:.3f}"


def points(value: float) -> str:
    """A difference of shares in percentage points, for example `-26.2 points`."""
    return f"{wording.fixed(100 * value, 1, signed=True)} points"


def points_interval(interval: Interval) -> str:
    """For example `[-32.1, -20.4]`."""
    low, high = (wording.fixed(100 * end, 1, signed=True) for end in (interval.low, interval.high))
    return f"[{low}, {high}]"


def percent(value: float) -> str:
    """A share, for example `27.1%`."""
    return wording.percent(value, 1)


def tau_text(tau: float, low: float | None = None, high: float | None = None) -> str:
    """For example `tau -0.52 [-0.71, -0.30]`."""
    value, *ends = (wording.fixed(x, 2, signed=True) for x in (tau, low, high) if x is not None)
    return f"tau {value} [{', '.join(ends)}]" if ends else f"tau {value}"


def listed(labels: Sequence[str]) -> str:
    """Labels of cases; of many the first and how many more, for example `trial 1, trial 2 and 7 more`."""
    if len(labels) > _MOST_NAMES:
        return f"{', '.join(labels[: _MOST_NAMES - 1])} and {len(labels) - _MOST_NAMES + 1} more"
    return joined(labels, "and")


def cases(count: int) -> str:
    """For example `1 trial`."""
    return wording.plural(count, "trial")
