"""Means over repetitions with new seeds: their variance, and which differ from the best beyond noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from trainables.interval import t_quantile

ALPHA = 0.05
"""1 minus the level of intervals, unless another is asked for."""
Ends: TypeAlias = tuple[float | None, float | None]
_ROUNDING = 1e-12
"""Values that differ by less, relative to the largest, are equal."""


@dataclass(frozen=True)
class PooledMean:
    """A mean over the repetitions of one candidate.

    Attributes:
        n: Number of repetitions.
        error: Standard error of the mean, by which candidates are compared: all answer the same items, so
            that it is between seeds alone. None where no candidate has two repetitions; 0 where theirs agree
            exactly, which says nothing of how others differ.
        freedom: Degrees of freedom of `error`; 0 where there is none.
        low: Lower end of the mean's 95% interval, over seeds and items; None where its noise is not known.
        high: Upper end, likewise.
        at: The ends of its interval where seeds count at the level of 1 minus any other number.
    """

    mean: float
    n: int
    error: float | None = None
    freedom: float = 0.0
    low: float | None = None
    high: float | None = None
    at: Callable[[float], Ends] | None = field(default=None, compare=False, repr=False)

    def ends(self, alpha: float) -> Ends:
        """The ends of its interval where seeds count at the level 1 - alpha, and items at 95%."""
        return (self.low, self.high) if alpha == ALPHA or self.at is None else self.at(alpha)


def pooled_variance(columns: Sequence[Sequence[float]]) -> tuple[float, int] | None:
    """The variance within groups, assumed to be the same in all, and its degrees of freedom.

    With n_i values of group i and mean m_i: s^2 = sum (x_ij - m_i)^2 / sum (n_i - 1). None where no group has
    two values.
    """
    freedom = sum(max(0, len(column) - 1) for column in columns)
    if not freedom:
        return None
    means = [math.fsum(column) / len(column) if column else math.nan for column in columns]
    squares = math.fsum(
        (value - mean) ** 2 for column, mean in zip(columns, means, strict=True) for value in column
    )
    largest = max(abs(value) for column in columns for value in column)
    return (squares / freedom if squares > (_ROUNDING * largest) ** 2 else 0.0), freedom


def ties(means: Sequence[PooledMean], alpha: float = ALPHA) -> list[bool]:
    """Which means tie with the first, the best: they do not differ from it beyond noise. The first does.

    The two-sided t-interval of the difference contains 0. Each of k comparisons is made at 1 - alpha / k
    (Bonferroni), so that all hold together with 1 - alpha. Where the noise is unknown, only equal means tie.

    Args:
        means: Of one objective, with the same degrees of freedom.
        alpha: 1 minus the level of all comparisons together.
    """
    if len(means) < 2 or not means[0].freedom:
        return [mean.mean == means[0].mean for mean in means]
    best, *others = means
    quantile = t_quantile(1 - alpha / 2 / len(others), best.freedom)
    return [True] + [
        abs(mean.mean - best.mean) <= quantile * math.hypot(mean.error or 0.0, best.error or 0.0)
        for mean in others
    ]
