"""Linear combinations of measured means: intervals at any level, p-values, and the sample that would decide.

Two kinds of noise add up: that of the items that a metric is over, which all trials share, and that between
trials. An interval at level 1 - alpha is estimate -+ sqrt(I^2 + T^2 - R^2):

- I is the part of the items: of each mean its interval (Wilson's for shares, Student's for numbers),
  combined by recovering variances (Newcombe, 1998,
  doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I, method 10)
  with the correlation of paired means (Newcombe, 1998,
  doi:10.1002/(SICI)1097-0258(19981130)17:22<2635::AID-SIM954>3.0.CO;2-C, method 10; Zou and Donner, 2008,
  doi:10.1002/sim.3095).
- T is the part of the trials: Student's t interval of the mean of the combination over trials.
- R is the part of trials on items, which both hold (Cameron, Gelbach and Miller, 2011,
  doi:10.1198/jbes.2010.07136). It takes away no more than the smaller of them. Where T is estimated by means
  of R (`search.judging.moderated`), R is known so well that T is Student's interval of what is left without
  it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np

from search.judging.noise import (
    Array,
    Between,
    Part,
    Seeds,
    Series,
    between_trials,
    correlation_of,
    of_any_size,
    parts_of,
    student_factor,
)
from trainables.interval import Z, t_quantile

_Scaling: TypeAlias = Callable[[float], tuple[float, float]]
"""By a factor: those of the number of items and of the number of trials."""

POWER = 0.8
"""Probability with which a sample of the size that is named decides."""
_POWER_Z = NormalDist().inv_cdf(POWER)
_LEAST_P = 1e-12
_MOST = 1e6


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
    parts: tuple[Part, ...]
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
    @of_any_size()
    def known(self) -> bool:
        """Whether anything is known about the noise: trials and items that agree exactly do not tell."""
        if not math.isfinite(self.estimate):
            return False
        return bool(self.between.variance) or any(any(part.reach(Z, 1.0)) for part in self.parts)

    def interval(self, alpha: float = 0.05, of_trials: float | None = None) -> tuple[float, float]:
        """The two-sided interval at level 1 - alpha; from -inf to inf where no noise is known.

        Args:
            alpha: 1 minus its level.
            of_trials: Another for the part of the trials, where they are looked at again and again on the
                same items.
        """
        if not self.known:
            return -math.inf, math.inf
        below, above = self._reach(alpha, 1.0, 1.0, 0.0, of_trials)
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
        if (items := self.needed_items(alpha)) is not None:
            return Needed(items, 1.0)
        if self.between.variance is None:
            return None
        if (trials := self.needed_trials(alpha)) is not None:
            return Needed(1.0, trials)
        both = self.needed_both(alpha)
        return None if both is None else Needed(both, both)

    def needed_items(self, alpha: float = 0.05) -> float | None:
        """The multiple of the items that would do by itself; None where none would."""
        return self._least(alpha, lambda factor: (factor, 1.0)) if self.known and self.parts else None

    def needed_trials(self, alpha: float = 0.05) -> float | None:
        """The multiple of the trials, likewise."""
        known = self.known and self.between.variance is not None
        return self._least(alpha, lambda factor: (1.0, factor)) if known else None

    def needed_both(self, alpha: float = 0.05) -> float | None:
        """The multiple of the items and of the trials, if it is the same; None likewise."""
        known = self.known and self.between.variance is not None
        return self._least(alpha, lambda factor: (factor, factor)) if known else None

    def _least(self, alpha: float, of: _Scaling) -> float | None:
        """The least factor of the sample that suffices; None where 1e6 does not."""
        if self.estimate == 0:
            return None

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

    @of_any_size()
    def _reach(
        self, alpha: float, items: float, trials: float, more: float, of_trials: float | None = None
    ) -> tuple[float, float]:
        """How far the interval reaches below and above.

        Args:
            alpha: 1 minus its level.
            items: Factor of the number of items.
            trials: Factor of the number of trials.
            more: Added to the quantiles, in standard errors.
            of_trials: As of `interval`.
        """
        quantile = NormalDist().inv_cdf(1 - alpha / 2)
        of_numbers = student_factor(self.parts, quantile, items)
        reaches = [part.reach(quantile, items, of_numbers) for part in self.parts]
        stretch = (quantile + more) / quantile
        between, shared = self._of_trials(of_trials or alpha, quantile, items, trials, more)
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
        student = t_quantile(1 - alpha / 2, known.freedom * trials)
        if known.moderated:
            return (student + more) ** 2 * (known.variance - residual) / trials, 0.0
        variance = (known.variance - residual + residual / items) / trials
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


@of_any_size()
def contrast(
    constant: float,
    series: Sequence[Series],
    *,
    seeds: Sequence[Seeds] = (),
    overlapping: bool = False,
) -> Contrast:
    """The combination `constant + sum of coefficient * mean of values`.

    Args:
        constant: Added to the sum.
        series: What is combined; every group has at least one trial.
        seeds: Noise of the combination between trials of each group, in their order, where it is estimated
            from other trials too.
        overlapping: Whether groups share trials; their noise then counts as the same.
    """
    estimate = constant + sum(each.coefficient * float(each.values.mean()) for each in series)
    parts = tuple(part for each in series for part in parts_of(each))
    return Contrast(estimate, between_trials(series, seeds, overlapping), parts, correlation_of(parts))
