"""Means over repetitions with new seeds, and which of them differ from the best beyond noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from search.judging.contrasts import Contrast, contrast
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

    def ends(self, alpha: float) -> Ends:
        """The ends of its interval where seeds count at the level 1 - alpha, and items at 95%."""
        return (self.low, self.high) if alpha == ALPHA or self.at is None else self.at(alpha)


def ties(means: Sequence[PooledMean], alpha: float = ALPHA, comparisons: int | None = None) -> list[bool]:
    """Which means tie with the first, the best: they do not differ from it beyond noise. The first does.

    The two-sided interval of the difference contains 0. All answer the same items, so that these are paired;
    where they are not known one by one of both, the difference counts on these items, and its noise is that
    between seeds. Where the noise is unknown, only equal means tie.

    Each of k comparisons is made at 1 - alpha / k (Bonferroni). So the truly best is called worse than
    another with a probability of at most alpha / 2, whichever has the best mean. That some candidate is which
    is as good is likelier the more there are, because the best mean is chosen from the same data.

    Args:
        means: Of one objective.
        alpha: As far as seeds are concerned; that of the items is 5%.
        comparisons: Their number, where others are made too.
    """
    if not means:
        return []
    best, *others = means
    k = len(others) if comparisons is None else comparisons
    return [True] + [not _differ(best, each, alpha / k, ALPHA / k) for each in others]


def noise_of(means: Sequence[PooledMean]) -> str | None:
    """What a difference of the first from the others is beyond, or is not, in words; None where unknown."""
    best, *others = means
    compared = [_difference(best, each) for each in others]
    if not all(each is not None and each.known for each in compared):
        return None
    if not any(each.error for each in means):
        return "the noise of the items"
    of_seeds_alone = any(each is not None and not each.parts for each in compared)
    over_items = any(each.series is not None and each.series.count for each in means)
    return "the noise between seeds" if of_seeds_alone and over_items else "noise"


def _differ(best: PooledMean, other: PooledMean, of_seeds: float, of_items: float) -> bool:
    difference = _difference(best, other)
    if best.mean == other.mean or difference is None or not difference.known:
        return best.mean != other.mean
    low, high = difference.interval(of_items, of_seeds)
    return not low <= 0 <= high


def _difference(best: PooledMean, other: PooledMean) -> Contrast | None:
    """The one less the other, with its noise; None where nothing tells how seeds differ."""
    if best.seeds is None or other.seeds is None:
        return None
    compared = [_compared(each, group) for group, each in enumerate((best, other))]
    if not all(each.items for each, _ in compared):  # those of one side alone are paired with nothing
        compared = [(replace(each, items=()), seeds) for each, seeds in compared]
    return contrast(0.0, [each for each, _ in compared], seeds=[seeds for _, seeds in compared])


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
