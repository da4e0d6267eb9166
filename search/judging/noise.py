"""The noise of measured means: that of the items that they are over, and that between trials."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from trainables.interval import Interval, Z, t_quantile

Array: TypeAlias = NDArray[np.float64]

ROUNDING = 1e-12
"""Values that differ by less, relative to the largest, are equal."""


def of_any_size() -> np.errstate:
    """For what computes with numbers that may be as large as they like: squares of them may be infinite."""
    return np.errstate(over="ignore", invalid="ignore")


@dataclass(frozen=True)
class Series:
    """A metric of each trial of a group, or of a baseline.

    Attributes:
        coefficient: What it is multiplied by.
        values: Of each trial, shape (T,); a baseline's is the only one.
        group: Index of its group of trials, None for a baseline. The trials of all series of a group are the
            same, or match one another, in this order.
        items: Where the values are means of shares of items: of each share the name of what it is over, and
            its outcomes, from 0 to 1, shape (T, n). Shares over the same are paired.
        unbounded: Whether the items are any numbers, not from 0 to 1.
        supposed: Whether nothing but the numbers recorded so far says that the items are 0 or 1.
        together: Outcomes, 0 or 1, that each outcome is the mean of, such as several replies to a prompt.
        intervals: Otherwise: 95% interval of each value over its items, empty where there are none.
        around: 95% interval of the mean of the values over their items, where that of the items is another:
            of a ratio, whose items are the outcomes divided by the base's mean.
        unit: What a right answer counts in an item.
    """

    coefficient: float
    values: Array
    group: int | None = None
    items: tuple[tuple[str, Array], ...] = ()
    together: int = 1
    intervals: tuple[Interval, ...] = ()
    unbounded: bool = False
    around: Interval | None = None
    unit: float = 1.0
    supposed: bool = False

    @property
    def count(self) -> int:
        """Items of each value; 0 where it has no interval over items."""
        if self.items:
            return sum(int(bits.shape[1]) for _, bits in self.items) * self.together
        return min((interval.n for interval in self.intervals), default=0)

    @property
    def as_shares(self) -> bool:
        """Whether the values are known to be means of outcomes from 0 to 1."""
        return bool(self.items) and not self.unbounded and not self.supposed and self.around is None


@dataclass(frozen=True)
class Part:
    """A mean with an interval over items.

    Attributes:
        over: Name of the items; None where they are not known one by one.
        mean: Of each item over trials, shape (n,); empty where `over` is None.
        n: Items; of shares those that as many independent ones are worth.
        below: Where `over` is None: how far the 95% interval reaches below the value.
        above: Likewise.
        unbounded: Whether items are any numbers, at least two: Student's interval of their mean has n - 1
            degrees of freedom.
        supposed: Whether items beyond 0 and 1 are possible although none is recorded.
    """

    coefficient: float
    over: str | None
    mean: Array
    n: float
    below: float = 0.0
    above: float = 0.0
    unbounded: bool = False
    supposed: bool = False

    def reach(self, quantile: float, factor: float, of_numbers: float = 1.0) -> tuple[float, float]:
        """How far the interval at a quantile of the normal distribution reaches below and above.

        Args:
            quantile: 1.96 for 95%.
            factor: Of the number of items.
            of_numbers: What `student_factor` gives, by which the interval of a mean of numbers is wider.
        """
        if self.over is None:
            scale = quantile / Z / math.sqrt(factor)
            return self.below * scale, self.above * scale
        if self.unbounded:
            half = of_numbers * quantile * float(self.mean.std(ddof=1)) / math.sqrt(len(self.mean) * factor)
            return half, half
        share, n = float(self.mean.mean()), self.n * factor
        centre = (share + quantile**2 / (2 * n)) / (1 + quantile**2 / n)
        if self.supposed:
            # Agresti and Coull (1998, doi:10.1080/00031305.1998.10480550): Wilson's centre, never narrower,
            # and not cut at 0 and 1, beyond which items may lie.
            half = quantile * math.sqrt(centre * (1 - centre) / (n + quantile**2))
            return share - centre + half, centre + half - share
        half = (
            quantile * math.sqrt(share * (1 - share) / n + quantile**2 / (4 * n**2)) / (1 + quantile**2 / n)
        )
        return share - max(0.0, centre - half), min(1.0, centre + half) - share


@dataclass(frozen=True)
class Seeds:
    """Noise between trials, estimated from other trials too.

    Attributes:
        variance: Of a single trial.
        freedom: Degrees of freedom.
        in_all: Those of all that such estimates rest on: of groups that share what they rest on, they are no
            more together.
        moderated: As in `Between`.
        of_items: The part of `variance` that stems from items, where `moderated`.
    """

    variance: float
    freedom: float
    in_all: float
    moderated: bool = False
    of_items: float = 0.0


@dataclass(frozen=True)
class Between:
    """Variance of the estimate between trials.

    Attributes:
        variance: Of the estimate; None where it is not known, as with a single trial.
        freedom: Degrees of freedom.
        residual: The part of it that stems from items, as it would with as many other items.
        trials: Trials of the smallest group.
        moderated: Whether it was estimated by means of `residual`, which so many items estimate well that
            only the rest of the variance is in doubt.
    """

    variance: float | None = None
    freedom: float = 0.0
    residual: float = 0.0
    trials: int = 0
    moderated: bool = False


def combination(series: Sequence[Series]) -> Array:
    """The sum over the series of a group in each of its trials, shape (T,)."""
    return sum((each.coefficient * each.values for each in series), np.zeros(len(series[0].values)))


def parts_of(series: Series) -> list[Part]:
    """Each share is a part: a mean of K shares has K of them."""
    if series.around is not None:
        mean, around = float(series.values.mean()), series.around
        below, above = max(0.0, mean - around.low), max(0.0, around.high - mean)
        return [Part(series.coefficient, None, np.empty(0), around.n, below, above)]
    if series.items:
        coefficient = series.coefficient / len(series.items)
        if series.unbounded and any(items.shape[1] < 2 for _, items in series.items):
            return []  # a single number says nothing of how others differ from it
        return [
            Part(
                coefficient,
                over,
                items.mean(axis=0),
                len(items[0]) if series.unbounded else _worth(items, series.together),
                unbounded=series.unbounded,
                supposed=series.supposed,
            )
            for over, items in series.items
        ]
    if not series.intervals:
        return []
    # All trials are measured on the same items: their noise does not become less in the mean.
    below = np.mean([value - each.low for value, each in zip(series.values, series.intervals, strict=True)])
    above = np.mean([each.high - value for value, each in zip(series.values, series.intervals, strict=True)])
    n = min(each.n for each in series.intervals)
    return [Part(series.coefficient, None, np.empty(0), n, max(0.0, float(below)), max(0.0, float(above)))]


def _worth(bits: Array, together: int) -> float:
    """Independent outcomes that those of T trials on n items are worth (Korn and Graubard, 1998).

    Between n and all there are: those of an item depend on one another, in one trial or in several.
    """
    trials, n = bits.shape
    means = bits.mean(axis=0)
    share = float(means.mean())
    variance = float(means.var(ddof=1)) if n > 1 else 0.0
    return (
        min(max(n * share * (1 - share) / variance, n), trials * n * together) if variance > 0 else float(n)
    )


def student_factor(parts: Sequence[Part], quantile: float, factor: float) -> float:
    """By how much Student's quantile for the means of numbers exceeds that of the normal distribution.

    Means over the same items are one mean of their combination, with n - 1 degrees of freedom. Those over
    others are combined as Welch and Satterthwaite do (1946, doi:10.2307/3002019); where the items may be the
    same after all, the fewest degrees count.

    Args:
        parts: Of a contrast; means of numbers alone are looked at.
        quantile: Of the normal distribution, above 0.
        factor: Of the number of items.
    """
    numbers = [part for part in parts if part.unbounded]
    combined: dict[tuple[str | None, int], Array] = {}
    for part in numbers:
        key = part.over, len(part.mean)
        combined[key] = combined.get(key, 0.0) + part.coefficient * part.mean
    known = [(float(each.var(ddof=1)) / n, n * factor - 1) for (_, n), each in combined.items()]
    total = math.fsum(variance for variance, _ in known)
    if not 0 < total < math.inf:
        return 1.0  # no noise, or values that diverged
    if any(_maybe_alike(*pair) for pair in itertools.combinations(numbers, 2)):
        freedom = min(freedom for _, freedom in known)
    else:
        freedom = 1 / math.fsum((variance / total) ** 2 / freedom for variance, freedom in known)
    return t_quantile(NormalDist().cdf(quantile), freedom) / quantile


def correlation_of(parts: Sequence[Part]) -> Array:
    """Correlations of the parts; what is not known of paired ones counts as what makes the interval wider.

    As in Newcombe's method 10, a positive covariance that makes the interval narrower is first made less by
    1 / 2n.
    """
    matrix = np.eye(len(parts))
    for i, left in enumerate(parts):
        for j, right in enumerate(parts[:i]):
            matrix[i, j] = matrix[j, i] = _correlated(left, right)
    return matrix


def _correlated(left: Part, right: Part) -> float:
    widens = left.coefficient * right.coefficient > 0
    if left.over != right.over or len(left.mean) != len(right.mean):
        return 1.0 if _maybe_alike(left, right) else 0.0
    if left.over is None:
        return 1.0 if widens else 0.0
    deviations = float(left.mean.std() * right.mean.std())
    if deviations == 0:
        return 1.0 if widens else 0.0
    covariance = float(((left.mean - left.mean.mean()) * (right.mean - right.mean.mean())).mean())
    if not widens and covariance > 0 and not left.unbounded:
        covariance = max(0.0, covariance - 1 / (2 * len(left.mean)))
    return min(1.0, max(-1.0, covariance / deviations))


def _maybe_alike(left: Part, right: Part) -> bool:
    """Whether numbers of other metrics count as those of the same items, which makes the interval wider."""
    same = left.over == right.over and len(left.mean) == len(right.mean)
    return not same and left.unbounded and right.unbounded and left.coefficient * right.coefficient > 0


def between_trials(series: Sequence[Series], seeds: Sequence[Seeds], overlapping: bool) -> Between:
    """Variance of the combination between the trials of its groups; arguments as of `contrasts.contrast`."""
    groups = sorted({each.group for each in series if each.group is not None})
    members = [[each for each in series if each.group == group] for group in groups]
    if not groups:
        return Between()
    sums = [combination(group) for group in members]
    trials, shared = min(map(len, sums)), math.fsum(map(residual, members))
    if seeds and len(seeds) == len(groups):
        # That of a single trial on items cannot be seen, but is in the interval over its items too.
        shared += math.fsum(
            each.of_items
            for each, group in zip(seeds, members, strict=True)
            if len(group[0].values) == 1 and all(part.items for part in group)
        )
        return _between_seeds(seeds, sums, shared)
    several = [values for values in sums if len(values) > 1]
    if not several:
        return Between(trials=trials)
    # A single trial has no variance of its own: that of the others stands for it.
    others = sum(len(values) - 1 for values in several)
    pooled = math.fsum(float(((values - values.mean()) ** 2).sum()) for values in several) / others
    known = [
        (float(values.var(ddof=1)) / len(values), len(values) - 1) if len(values) > 1 else (pooled, others)
        for values in sums
    ]
    total, freedom = _added(known)
    if overlapping:
        total = math.fsum(math.sqrt(variance) for variance, _ in known) ** 2
    return Between(total, freedom, shared, trials)


def _between_seeds(seeds: Sequence[Seeds], sums: Sequence[Array], shared: float) -> Between:
    """The same, with the noise of each group as given."""
    known = [(each.variance / len(values), each.freedom) for each, values in zip(seeds, sums, strict=True)]
    total, freedom = _added(known)
    at_most = min(each.in_all for each in seeds) if len(seeds) > 1 else freedom
    moderated = all(each.moderated for each in seeds)
    return Between(total, min(freedom, at_most), shared, min(map(len, sums)), moderated)


def _added(known: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The sum of variances with degrees of freedom each, and its own (Satterthwaite, 1946)."""
    total = math.fsum(variance for variance, _ in known)  # doi:10.2307/3002019
    weights = math.fsum((variance / total) ** 2 / freedom for variance, freedom in known) if total else 0.0
    return total, 1 / weights if weights > 0 else float(min(freedom for _, freedom in known))


def residual(group: Sequence[Series], smoothed: bool = False) -> float:
    """Variance of the mean over a group that neither trials nor items have by themselves.

    Args:
        group: Series of the same trials.
        smoothed: Whether one more item of each share counts as one that a trial has otherwise than the rest:
            trials that agree in every item are no proof that all would.
    """
    trials = len(group[0].values)
    if trials < 2:
        return 0.0
    combined: dict[tuple[str, int], Array] = {}
    units: dict[tuple[str, int], float] = {}
    for each in group:
        for over, bits in each.items:
            key, weight = (over, bits.shape[1]), each.coefficient / len(each.items)
            combined[key] = combined.get(key, 0.0) + weight * bits
            unit = 0.0 if each.unbounded else abs(weight) * each.unit / each.together
            units[key] = max(units.get(key, 0.0), unit)
    total = 0.0
    for key, bits in combined.items():
        n = key[1]
        if n < 2:
            continue
        rest = bits - bits.mean(axis=0) - bits.mean(axis=1, keepdims=True) + bits.mean()
        squares = float((rest**2).sum())
        if math.sqrt(squares / bits.size) <= ROUNDING * float(abs(bits).max()):
            squares = 0.0
        if smoothed:
            squares += (trials - 1) / trials * units[key] ** 2
        total += squares / ((trials - 1) * (n - 1)) / (trials * n)
    return total
