"""Two models' outcomes over the same items: what they share is no noise in how they differ."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from trainables.interval import Interval, Z


@dataclass(frozen=True)
class Pairs:
    """Counts of n items by the outcome under the base model and under the tuned one.

    Over several tuned models, an item counts as the share of them under which it is so.

    Attributes:
        both: Items that are so under both.
        tuned: Items that are so under the tuned model alone.
        base: Items that are so under the base model alone.
        n: All items.
        spread: Sum over the items of p (1 - p), where p is the share of tuned models; 0 for a single model.
    """

    both: float
    tuned: float
    base: float
    n: float
    spread: float = 0.0

    @classmethod
    def of(cls, base: str, tuned: str) -> Pairs:
        """Counts from strings of "0" and "1" of equal length, one character per item."""
        counts = Counter(zip(tuned, base, strict=True))
        return cls(counts["1", "1"], counts["1", "0"], counts["0", "1"], len(base))

    @classmethod
    def over(cls, base: str, tuned: Sequence[str]) -> Pairs:
        """The same over several tuned models, at least one: mean counts."""
        each = [cls.of(base, text) for text in tuned]
        both, alone, lost = (
            sum(counts) / len(each)
            for counts in zip(*((pairs.both, pairs.tuned, pairs.base) for pairs in each), strict=True)
        )
        patterns = Counter(zip(*tuned, strict=True))
        shares = ((pattern.count("1") / len(each), count) for pattern, count in patterns.items())
        spread = sum(count * share * (1 - share) for share, count in shares)
        return cls(both, alone, lost, len(base), spread)

    def smoothed(self, cell: float) -> Pairs:
        """With `cell` observations more in each of the four cells."""
        return Pairs(self.both + cell, self.tuned + cell, self.base + cell, self.n + 4 * cell, self.spread)

    @property
    def shares(self) -> tuple[float, float]:
        """Share of items that are so under the tuned model, and under the base model."""
        return (self.both + self.tuned) / self.n, (self.both + self.base) / self.n

    @property
    def covariance(self) -> tuple[float, float, float]:
        """Variance of the tuned share, covariance of the two, variance of the base share.

        Of the multinomial: p(1 - p) / n for each share, (p_both - p_tuned p_base) / n for the two. Of a mean
        over tuned models the variance is less by the spread within items.
        """
        tuned, base = self.shares
        return (
            (tuned * (1 - tuned) - self.spread / self.n) / self.n,
            (self.both / self.n - tuned * base) / self.n,
            base * (1 - base) / self.n,
        )


@dataclass(frozen=True)
class Means:
    """Unweighted means of two models' shares over strata.

    Attributes:
        tuned: Of the tuned model's shares.
        base: Of the base model's.
        tuned_variance: Of the first mean.
        covariance: Of the two.
        base_variance: Of the second.
    """

    tuned: float
    base: float
    tuned_variance: float
    covariance: float
    base_variance: float

    @classmethod
    def of(cls, strata: Sequence[Pairs]) -> Means:
        """Those of strata, at least one, each with at least one item.

        0.5 / K observations are added to each cell of each of the K strata's tables; for K = 1 that is what
        Agresti and Min (2005, doi:10.1002/sim.1781) do for a difference. So no variance is 0, and what is
        added weighs the same however many strata there are.
        """
        count = len(strata)
        pairs = [each.smoothed(0.5 / count) for each in strata]
        tuned, base = (sum(part) / count for part in zip(*(pair.shares for pair in pairs), strict=True))
        variances = zip(*(pair.covariance for pair in pairs), strict=True)
        return cls(tuned, base, *(sum(part) / count**2 for part in variances))

    @property
    def difference(self) -> tuple[float, float]:
        """The tuned model's mean minus the base model's, and the variance of that."""
        return self.tuned - self.base, self.tuned_variance - 2 * self.covariance + self.base_variance


def difference(base: str, tuned: str) -> Interval:
    """95% interval for the tuned model's share minus the base model's, over the same items.

    Wald's interval of `Means.of`, kept within -1 to 1. It is never of zero width.

    Args:
        base: "0" or "1" per item, at least one item.
        tuned: The same items in the same order.
    """
    centre, variance = Means.of([Pairs.of(base, tuned)]).difference
    half = Z * math.sqrt(variance)
    return Interval(low=max(-1.0, centre - half), high=min(1.0, centre + half), n=len(base))


def ratio_of_means(strata: Sequence[tuple[str, str]]) -> Interval:
    """`ratio_of_pairs` of a base and a tuned model.

    Args:
        strata: ("0" or "1" per item under the base model, the same under the tuned one) of each stratum,
            at least one, none empty.
    """
    return ratio_of_pairs([Pairs.of(base, tuned) for base, tuned in strata])


def ratio_of_pairs(strata: Sequence[Pairs]) -> Interval:
    """95% interval for the ratio of two means of shares over strata, item by item.

    `fieller` of `Means.of`, so that the interval is never of zero width.

    Args:
        strata: Each with at least one item; at least one.
    """
    return fieller(Means.of(strata), sum(int(each.n) for each in strata))


def fieller(means: Means, n: int, more: float = 0.0) -> Interval:
    """95% interval for the ratio of two means.

    With T and B the means of the tuned and the base model's shares, and V_T, C, V_B their variances and
    covariance, it holds every ratio r >= 0 with (T - r B)^2 <= z^2 (V_T - 2 r C + r^2 V_B) + D
    (Fieller, 1954, doi:10.1111/j.2517-6161.1954.tb00159.x).

    Args:
        means: Both.
        n: Of the interval.
        more: D, what else the tuned model's mean varies by, times the square of its own quantile.

    Returns:
        The lower bound at least 0; 0 to inf where the base model's mean is not surely above 0.
    """
    # a r^2 - 2 b r + c <= 0
    a, b, c = (
        means.base**2 - Z**2 * means.base_variance,
        means.tuned * means.base - Z**2 * means.covariance,
        means.tuned**2 - Z**2 * means.tuned_variance - more,
    )
    if a <= 0:
        return Interval(low=0.0, high=math.inf, n=n)
    # Not negative: at r = T / B the left side of the condition is 0.
    root = math.sqrt(max(0.0, b**2 - a * c))
    return Interval(low=max(0.0, (b - root) / a), high=(b + root) / a, n=n)


def pairable(base: Mapping[str, str], tuned: Mapping[str, str], names: Iterable[str]) -> bool:
    """Whether two measurements are of the same items of these names, as far as names and counts show."""
    return all(name in base and name in tuned and len(base[name]) == len(tuned[name]) for name in names)
