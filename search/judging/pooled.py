"""Means over repetitions with new seeds, and which of them differ from the best beyond noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from search.judging.contrasts import contrast
from search.judging.noise import Seeds, Series

ALPHA = 0.05
"""1 minus the level of intervals, unless another is asked for."""
Ends: TypeAlias = tuple[float | None, float | None]


@dataclass(frozen=True)
class PooledMean:
    """A mean over the repetitions of one candidate.

    Attributes:
        n: Number of repetitions.
        error: Standard error of the mean between seeds. None where no candidate has two repetitions; 0 where
            theirs agree exactly, which says nothing of how others differ.
        freedom: Degrees of freedom of `error`; 0 where there is none.
        low: Lower end of the mean's 95% interval, over seeds and items; None where its noise is not known.
        high: Upper end, likewise.
        at: The ends of its interval where seeds count at the level of 1 minus any other number.
        series: What it is the mean of; None without an error.
        seeds: Its noise between seeds, likewise.
    """

    mean: float
    n: int
    error: float | None = None
    freedom: float = 0.0
    low: float | None = None
    high: float | None = None
    at: Callable[[float], Ends] | None = field(default=None, compare=False, repr=False)
    series: Series | None = field(default=None, compare=False, repr=False)
    seeds: Seeds | None = field(default=None, compare=False, repr=False)

    @property
    def noise(self) -> str:
        """What a difference beyond noise is beyond, in words."""
        seeds_alone = self.series is not None and self.series.intervals and not self.series.items
        return "the noise between seeds" if seeds_alone else "noise"

    def ends(self, alpha: float) -> Ends:
        """The ends of its interval where seeds count at the level 1 - alpha, and items at 95%."""
        return (self.low, self.high) if alpha == ALPHA or self.at is None else self.at(alpha)


def ties(means: Sequence[PooledMean], alpha: float = ALPHA, comparisons: int | None = None) -> list[bool]:
    """Which means tie with the first, the best: they do not differ from it beyond noise. The first does.

    The two-sided interval of the difference contains 0. All answer the same items, so that these are paired;
    where they are not known one by one, the difference counts on these items, and its noise is that between
    seeds. Each of k comparisons is made at 1 - alpha / k (Bonferroni), so that all hold together with
    1 - alpha. Where the noise is unknown, only equal means tie.

    Args:
        means: Of one objective.
        alpha: 1 minus the level of all comparisons together as far as seeds are concerned; that of the items
            is 95%.
        comparisons: Their number, where others are made too.
    """
    if not means:
        return []
    best, *others = means
    k = len(others) if comparisons is None else comparisons
    return [True] + [not _differ(best, each, alpha / k, ALPHA / k) for each in others]


def _differ(best: PooledMean, other: PooledMean, of_seeds: float, of_items: float) -> bool:
    if best.mean == other.mean or not (best.error or other.error):
        return best.mean != other.mean
    compared = [_compared(each, group) for group, each in enumerate((best, other))]
    series = [each for each, _ in compared]
    low, high = contrast(0.0, series, seeds=[seeds for _, seeds in compared]).interval(of_items, of_seeds)
    return not low <= 0 <= high


def _compared(mean: PooledMean, group: int) -> tuple[Series, Seeds]:
    """A side of a difference; of ratios to the same base their numerators, which differ where they do."""
    series, seeds = mean.series, mean.seeds
    assert series is not None
    assert seeds is not None
    unit = 1.0
    if series.around is not None:
        unit = series.unit
        items = tuple((over, np.minimum(outcomes / unit, 1.0)) for over, outcomes in series.items)
        series = replace(series, values=series.values / unit, items=items, around=None, unit=1.0)
    coefficient = -series.coefficient if group else series.coefficient
    return (
        replace(series, coefficient=coefficient, group=group, intervals=()),
        replace(seeds, variance=seeds.variance / unit**2, of_items=seeds.of_items / unit**2),
    )
