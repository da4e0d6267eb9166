"""Two models' outcomes over the same items: what they share is no noise in how they differ."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
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


def difference(base: str, tuned: str) -> Interval:
    """95% interval for the tuned model's share minus the base model's, over the same items.

    Wald's interval with half an observation added to each cell of the table (Agresti and Min, 2005,
    doi:10.1002/sim.1781), kept within -1 to 1. It is never of zero width.

    Args:
        base: "0" or "1" per item, at least one item.
        tuned: The same items in the same order.
    """
    pairs = Pairs.of(base, tuned)
    smoothed = pairs.smoothed(0.5)
    of_tuned, of_base = smoothed.shares
    tuned_variance, covariance, base_variance = smoothed.covariance
    centre, half = of_tuned - of_base, Z * math.sqrt(tuned_variance - 2 * covariance + base_variance)
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

    With T and B the unweighted means over the K strata of the tuned and the base model's shares, and V_T, C,
    V_B their variances and covariance, the interval holds every ratio r >= 0 with
    (T - r B)^2 <= z^2 (V_T - 2 r C + r^2 V_B) (Fieller, 1954, doi:10.1111/j.2517-6161.1954.tb00159.x).

    0.5 / K observations are added to each cell of each stratum's table; for K = 1 that is what Agresti and
    Min (2005, doi:10.1002/sim.1781) do for a difference. The interval is never of zero width, and what is
    added weighs the same however many strata there are.

    Args:
        strata: Each with at least one item; at least one.

    Returns:
        The lower bound at least 0; 0 to inf where the base model's mean is not surely above 0.
    """
    count = len(strata)
    pairs = [each.smoothed(0.5 / count) for each in strata]
    tuned, base = (sum(part) / count for part in zip(*(pair.shares for pair in pairs), strict=True))
    tuned_variance, covariance, base_variance = (
        sum(part) / count**2 for part in zip(*(pair.covariance for pair in pairs), strict=True)
    )
    n = sum(int(each.n) for each in strata)
    # a r^2 - 2 b r + c <= 0
    a, b, c = (
        base**2 - Z**2 * base_variance,
        tuned * base - Z**2 * covariance,
        tuned**2 - Z**2 * tuned_variance,
    )
    if a <= 0:
        return Interval(low=0.0, high=math.inf, n=n)
    # Not negative: at r = T / B the left side of the condition is 0.
    root = math.sqrt(max(0.0, b**2 - a * c))
    return Interval(low=max(0.0, (b - root) / a), high=(b + root) / a, n=n)
