"""Linear combinations of measured means: intervals at any level, p-values, and the sample that would decide.

Two kinds of noise add up: that of the items that a metric is over, which all trials share, and that between
trials. An interval at level 1 - alpha is estimate -+ sqrt(I^2 + T^2 - R^2):

- I is the part of the items: of each mean its interval (Wilson's for shares), combined by recovering
  variances (Newcombe, 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I, method 10)
  with the correlation of paired means (Newcombe, 1998,
  doi:10.1002/(SICI)1097-0258(19981130)17:22<2635::AID-SIM954>3.0.CO;2-C, method 10; Zou and Donner, 2008,
  doi:10.1002/sim.3095).
- T is the part of the trials: Student's t interval of the mean of the combination over trials.
- R is the part of trials on items, which both hold (Cameron, Gelbach and Miller, 2011,
  doi:10.1198/jbes.2010.07136). It takes away no more than the smaller of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from trainables.interval import Interval, Z, t_quantile

Array: TypeAlias = NDArray[np.float64]
_Scaling: TypeAlias = Callable[[float], tuple[float, float]]
"""By a factor: those of the number of items and of the number of trials."""

POWER = 0.8
"""Probability with which a sample of the size that is named decides."""
_POWER_Z = NormalDist().inv_cdf(POWER)
_LEAST_P = 1e-12
_MOST = 1e6


@dataclass(frozen=True)
class Series:
    """A metric of each trial of a group, or of a baseline.

    Attributes:
        coefficient: What it is multiplied by.
        values: Of each trial, shape (T,); a baseline's is the only one.
        group: Index of its group of trials, None for a baseline. The trials of all series of a group are the
            same, or match one another, in this order.
        items: Where the values are means of shares of items: of each share the name of what it is over, and
            its outcomes, 0 or 1, shape (T, n). Shares over the same are paired.
        intervals: Otherwise: 95% interval of each value over its items, empty where there are none.
    """

    coefficient: float
    values: Array
    group: int | None = None
    items: tuple[tuple[str, Array], ...] = ()
    intervals: tuple[Interval, ...] = ()

    @property
    def count(self) -> int:
        """Items of each value; 0 where it has no interval over items."""
        if self.items:
            return sum(bits.shape[1] for _, bits in self.items)
        return min((interval.n for interval in self.intervals), default=0)


@dataclass(frozen=True)
class _Part:
    """A mean with an interval over items.

    Attributes:
        over: Name of the items; None where they are not known one by one.
        mean: Of each item over trials, shape (n,); empty where `over` is None.
        n: Items; of shares those that as many independent ones are worth.
        below: Where `over` is None: how far the 95% interval reaches below the value.
        above: Likewise.
    """

    coefficient: float
    over: str | None
    mean: Array
    n: float
    below: float = 0.0
    above: float = 0.0

    def reach(self, quantile: float, factor: float) -> tuple[float, float]:
        """How far the interval at a quantile of the normal distribution reaches below and above.

        Args:
            quantile: 1.96 for 95%.
            factor: Of the number of items.
        """
        if self.over is None:
            scale = quantile / Z / math.sqrt(factor)
            return self.below * scale, self.above * scale
        share, n = float(self.mean.mean()), self.n * factor
        centre = (share + quantile**2 / (2 * n)) / (1 + quantile**2 / n)
        half = (
            quantile * math.sqrt(share * (1 - share) / n + quantile**2 / (4 * n**2)) / (1 + quantile**2 / n)
        )
        return share - max(0.0, centre - half), min(1.0, centre + half) - share


@dataclass(frozen=True)
class Between:
    """Variance of the estimate between trials.

    Attributes:
        variance: Of the estimate; None where it is not known, as with a single trial.
        freedom: Degrees of freedom.
        residual: The part of it that stems from items, as it would with as many other items.
        trials: Trials of the smallest group.
    """

    variance: float | None = None
    freedom: float = 0.0
    residual: float = 0.0
    trials: int = 0


@dataclass(frozen=True)
class Needed:
    """The sample that would decide with a probability of `POWER`, were the observed effect the true one.

    Attributes:
        items: Multiple of the items; 1 where more of them are not needed.
        trials: Multiple of the trials, likewise.
    """

    items: float
    trials: float


@dataclass(frozen=True)
class Contrast:
    """A constant and multiples of means, with the noise of each kind.

    Attributes:
        estimate: The combination's value.
        between: Noise between trials.
        paired: Whether means over the same items were paired.
    """

    estimate: float
    between: Between
    parts: tuple[_Part, ...]
    correlation: Array

    @property
    def paired(self) -> bool:
        """Whether means over the same items were paired."""
        return any(
            left.over is not None and left.over == right.over and left.coefficient * right.coefficient < 0
            for left in self.parts
            for right in self.parts
        )

    @property
    def known(self) -> bool:
        """Whether anything is known about the noise: trials that agree exactly say nothing of it."""
        return math.isfinite(self.estimate) and (bool(self.parts) or bool(self.between.variance))

    def interval(self, alpha: float = 0.05) -> tuple[float, float]:
        """The two-sided interval at level 1 - alpha; from -inf to inf where no noise is known."""
        if not self.known:
            return -math.inf, math.inf
        below, above = self._reach(alpha, 1.0, 1.0, 0.0)
        return self.estimate - below, self.estimate + above

    @property
    def p(self) -> float:
        """Two-sided p-value: the least alpha whose interval does not hold 0, at least 1e-12."""
        low, high = math.log(_LEAST_P), 0.0
        if self._holds_zero(1 - 1e-9):
            return 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self._holds_zero(math.exp(middle)) else (low, middle)
        return math.exp(high)

    def needed(self, alpha: float = 0.05) -> Needed | None:
        """The sample whose interval at level 1 - alpha would probably not hold 0.

        More items are asked for where they suffice, else more trials, else both. None where no sample would
        do, as without an effect.
        """
        if not self.known or self.estimate == 0:
            return None
        if (items := self._least(alpha, lambda factor: (factor, 1.0))) is not None:
            return Needed(items, 1.0)
        if self.between.variance is None:
            return None
        if (trials := self._least(alpha, lambda factor: (1.0, factor))) is not None:
            return Needed(1.0, trials)
        both = self._least(alpha, lambda factor: (factor, factor))
        return None if both is None else Needed(both, both)

    def _least(self, alpha: float, of: _Scaling) -> float | None:
        """The least factor of the sample that suffices; None where 1e6 does not."""

        def suffices(factor: float) -> bool:
            below, above = self._reach(alpha, *of(factor), _POWER_Z)
            return abs(self.estimate) >= (below if self.estimate > 0 else above)

        if suffices(1.0):
            return 1.0
        if not suffices(_MOST):
            return None
        low, high = 0.0, math.log(_MOST)
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if suffices(math.exp(middle)) else (middle, high)
        return math.exp(high)

    def _holds_zero(self, alpha: float) -> bool:
        low, high = self.interval(alpha)
        return low <= 0 <= high

    def _reach(self, alpha: float, items: float, trials: float, more: float) -> tuple[float, float]:
        """How far the interval reaches below and above.

        Args:
            alpha: 1 minus its level.
            items: Factor of the number of items.
            trials: Factor of the number of trials.
            more: Added to the quantiles, in standard errors.
        """
        quantile = NormalDist().inv_cdf(1 - alpha / 2)
        reaches = [part.reach(quantile, items) for part in self.parts]
        stretch = (quantile + more) / quantile
        between, shared = self._of_trials(alpha, quantile, items, trials, more)
        return (
            self._combined(reaches, stretch, between, shared, lower=True),
            self._combined(reaches, stretch, between, shared, lower=False),
        )

    def _of_trials(
        self, alpha: float, quantile: float, items: float, trials: float, more: float
    ) -> tuple[float, float]:
        """Squared part of the trials, and of it what the part of the items holds too."""
        known = self.between
        if known.variance is None:
            return 0.0, 0.0
        residual = min(known.residual, known.variance)
        variance = (known.variance - residual + residual / items) / trials
        student = t_quantile(1 - alpha / 2, known.freedom * trials)
        return (student + more) ** 2 * variance, (quantile + more) ** 2 * residual / items / trials

    def _combined(
        self,
        reaches: Sequence[tuple[float, float]],
        stretch: float,
        between: float,
        shared: float,
        *,
        lower: bool,
    ) -> float:
        reach = np.array(
            [
                part.coefficient * (below if (part.coefficient > 0) is lower else above)
                for part, (below, above) in zip(self.parts, reaches, strict=True)
            ]
        )
        if not np.isfinite(reach).all():
            return math.inf
        within = max(0.0, float(reach @ self.correlation @ reach)) * stretch**2 if len(reach) else 0.0
        total = within + between - min(shared, within, between)
        return math.sqrt(total) if math.isfinite(total) else math.inf


def contrast(
    constant: float,
    series: Sequence[Series],
    *,
    seeds: tuple[float, int] | None = None,
    overlapping: bool = False,
) -> Contrast:
    """The combination `constant + sum of coefficient * mean of values`.

    Args:
        constant: Added to the sum.
        series: What is combined; every group has at least one trial.
        seeds: Variance of the combination between trials and its degrees of freedom, where other trials
            tell it too; it is then used for the one group there is.
        overlapping: Whether groups share trials; their noise then counts as the same.
    """
    estimate = constant + sum(each.coefficient * float(each.values.mean()) for each in series)
    parts = tuple(part for each in series for part in _parts(each))
    return Contrast(estimate, _between(series, seeds, overlapping), parts, _correlation(parts))


def combination(series: Sequence[Series]) -> Array:
    """The sum over the series of a group in each of its trials, shape (T,)."""
    return sum((each.coefficient * each.values for each in series), np.zeros(len(series[0].values)))


def _parts(series: Series) -> list[_Part]:
    """Each share is a part: a mean of K shares has K of them."""
    if series.items:
        coefficient = series.coefficient / len(series.items)
        return [_Part(coefficient, over, bits.mean(axis=0), _worth(bits)) for over, bits in series.items]
    if not series.intervals:
        return []
    # All trials are measured on the same items: their noise does not become less in the mean.
    below = np.mean([value - each.low for value, each in zip(series.values, series.intervals, strict=True)])
    above = np.mean([each.high - value for value, each in zip(series.values, series.intervals, strict=True)])
    n = min(each.n for each in series.intervals)
    return [_Part(series.coefficient, None, np.empty(0), n, max(0.0, float(below)), max(0.0, float(above)))]


def _worth(bits: Array) -> float:
    """Independent items that the items of T trials are worth, from n to T n (Korn and Graubard, 1998)."""
    trials, n = bits.shape
    means = bits.mean(axis=0)
    share = float(means.mean())
    variance = float(means.var(ddof=1)) if n > 1 else 0.0
    return min(max(n * share * (1 - share) / variance, n), trials * n) if variance > 0 else float(n)


def _correlation(parts: Sequence[_Part]) -> Array:
    """Correlations of the parts; what is not known of paired ones counts as what makes the interval wider.

    As in Newcombe's method 10, a positive covariance that makes the interval narrower is first made less by
    1 / 2n.
    """
    matrix = np.eye(len(parts))
    for i, left in enumerate(parts):
        for j, right in enumerate(parts[:i]):
            matrix[i, j] = matrix[j, i] = _correlated(left, right)
    return matrix


def _correlated(left: _Part, right: _Part) -> float:
    widens = left.coefficient * right.coefficient > 0
    if left.over != right.over or len(left.mean) != len(right.mean):
        return 0.0
    if left.over is None:
        return 1.0 if widens else 0.0
    deviations = float(left.mean.std() * right.mean.std())
    if deviations == 0:
        return 1.0 if widens else 0.0
    covariance = float(((left.mean - left.mean.mean()) * (right.mean - right.mean.mean())).mean())
    if not widens and covariance > 0:
        covariance = max(0.0, covariance - 1 / (2 * len(left.mean)))
    return min(1.0, max(-1.0, covariance / deviations))


def _between(series: Sequence[Series], seeds: tuple[float, int] | None, overlapping: bool) -> Between:
    groups = sorted({each.group for each in series if each.group is not None})
    members = [[each for each in series if each.group == group] for group in groups]
    if not groups:
        return Between()
    sums = [combination(group) for group in members]
    trials, residual = min(map(len, sums)), math.fsum(map(_residual, members))
    if seeds is not None and len(groups) == 1:
        variance, freedom = seeds
        return Between(variance / trials, freedom, residual, trials)
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
    total = math.fsum(variance for variance, _ in known)
    # Satterthwaite (1946, doi:10.2307/3002019).
    weights = math.fsum((variance / total) ** 2 / freedom for variance, freedom in known) if total else 0.0
    effective = 1 / weights if weights > 0 else float(min(freedom for _, freedom in known))
    if overlapping:
        total = math.fsum(math.sqrt(variance) for variance, _ in known) ** 2
    return Between(total, effective, residual, trials)


def _residual(group: Sequence[Series]) -> float:
    """Variance of the mean over a group that neither trials nor items have by themselves."""
    trials = len(group[0].values)
    if trials < 2:
        return 0.0
    combined: dict[tuple[str, int], Array] = {}
    for each in group:
        for over, bits in each.items:
            key, weight = (over, bits.shape[1]), each.coefficient / len(each.items)
            combined[key] = combined.get(key, 0.0) + weight * bits
    total = 0.0
    for (_, n), bits in combined.items():
        if n < 2:
            continue
        rest = bits - bits.mean(axis=0) - bits.mean(axis=1, keepdims=True) + bits.mean()
        total += float((rest**2).sum()) / ((trials - 1) * (n - 1)) / (trials * n)
    return total
