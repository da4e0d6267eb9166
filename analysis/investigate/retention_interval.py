"""The 95% interval of retention, the mean capability of tuned models as a share of the base model's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.investigate.change import pairable
from analysis.investigate.study import Measured
from search.judging.paired import ratio_of_means
from trainables.interval import Interval, Z, t_quantile

_CELLS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))
"""Outcomes of an item under the base model and under the tuned ones."""
_MOST_FREEDOM = 500
"""With more, Student's quantile is the normal one to three digits."""


def retention_interval(base: Measured, tuned: Sequence[Measured]) -> Interval | None:
    """95% interval of the tuned models' mean capability as a share of the base model's.

    Of one model it is that of `search.judging.paired.ratio_of_means`, which guards and schedulers use. Of
    k models it is Fieller's too: with T the mean of the tuned models' scores, B the base model's, V_T, C, V_B
    their variances and covariance over the items, and S^2 the variance between the tuned models, it holds
    every ratio r >= 0 with (T - r B)^2 <= z^2 (V_T - 2 r C + r^2 V_B) + t^2 S^2 / k. t is the quantile of
    Student's distribution with the freedom of Welch and Satterthwaite (Satterthwaite, 1946,
    doi:10.2307/3002019), of which the items have no end and the models k - 1: a mean of two models that
    differ is hardly known, one of models that do not is known as well as the items let it be. To add both
    variances is conservative, as what items do to one model alone is in S^2 too (Owen, 2007,
    doi:10.1214/07-AOAS122).

    As in `ratio_of_means`, 0.5 / K observations are added to each cell of each of the K skills, so that no
    interval has zero width. Where only shares and numbers of items are known, C is taken to be 0 and half an
    observation of either outcome is added: over the same items that is wider than need be.

    Args:
        base: The base model, with a capability above 0.
        tuned: The models of one level.

    Returns:
        None where there is no model, or a number of items is not known; n is the number of items.
    """
    known = [model for model in tuned if math.isfinite(model.capability)]
    if not known or not base.capability > 0:
        return None
    if all(pairable(base.bits, model.bits) for model in known):
        n = sum(map(len, base.bits.values()))
        if len(known) == 1:
            interval = ratio_of_means([(text, known[0].bits[skill]) for skill, text in base.bits.items()])
        else:
            interval = _fieller(_from_items(base, known), n)
    elif base.n and all(model.n for model in known):
        n = min(model.n for model in (base, *known) if model.n)
        interval = _fieller(_from_shares(base, known), n)
    else:
        return None
    measured = sum(model.capability for model in known) / len(known) / base.capability
    # What is added keeps the bounds from 0, where the measured value may be.
    return Interval(low=min(interval.low, measured), high=max(interval.high, measured), n=n)


@dataclass(frozen=True)
class _Moments:
    """Means and their variances over the items, and what the tuned models differ by.

    Attributes:
        covariance: Of the tuned models' mean with the base model's.
        between: Variance of the tuned models' mean by which models they are, S^2 / k.
        models: Number of tuned models.
    """

    tuned: float
    base: float
    tuned_variance: float
    covariance: float
    base_variance: float
    between: float
    models: int

    @property
    def quantile(self) -> float:
        """Of Student's distribution with Satterthwaite's freedom at the measured ratio."""
        if self.models == 1 or not self.between:
            return Z
        r = self.tuned / self.base
        items = self.tuned_variance - 2 * r * self.covariance + r * r * self.base_variance
        freedom = (self.models - 1) * (1 + max(0.0, items) / self.between) ** 2
        return Z if freedom > _MOST_FREEDOM else t_quantile(0.975, int(freedom))


def _fieller(moments: _Moments, n: int) -> Interval:
    square = Z**2
    a = moments.base**2 - square * moments.base_variance
    b = moments.tuned * moments.base - square * moments.covariance
    c = moments.tuned**2 - square * moments.tuned_variance - moments.quantile**2 * moments.between
    if a <= 0:
        return Interval(low=0.0, high=math.inf, n=n)
    root = math.sqrt(max(0.0, b * b - a * c))
    return Interval(low=max(0.0, (b - root) / a), high=(b + root) / a, n=n)


def _from_items(base: Measured, tuned: Sequence[Measured]) -> _Moments:
    count = len(base.bits)
    theirs, of_tuned = np.array(_CELLS).T
    means, variances = np.zeros(2), np.zeros((2, 2))
    scores = np.zeros(len(tuned))
    for skill, text in base.bits.items():
        weights = np.concatenate([np.ones(len(text)), np.full(len(_CELLS), 0.5 / count)])
        total = float(weights.sum())
        rights = np.stack([np.concatenate([as_array(model.bits[skill]), of_tuned]) for model in tuned])
        pair = np.stack([rights.mean(axis=0), np.concatenate([as_array(text), theirs])])
        mean = pair @ weights / total
        around = pair - mean[:, None]
        means += mean / count
        variances += (weights * around) @ around.T / total**2 / count**2
        scores += rights @ weights / total / count
    return _Moments(
        tuned=float(means[0]),
        base=float(means[1]),
        tuned_variance=float(variances[0, 0]),
        covariance=float(variances[0, 1]),
        base_variance=float(variances[1, 1]),
        between=_between(scores),
        models=len(tuned),
    )


def _from_shares(base: Measured, tuned: Sequence[Measured]) -> _Moments:
    shares = np.array([_share(model) for model in tuned])
    counts = np.array([(model.n or 0) + 1 for model in tuned])
    theirs = _share(base)
    return _Moments(
        tuned=float(shares.mean()),
        base=theirs,
        # All are evaluated on the same items: their noise does not average out.
        tuned_variance=float((shares * (1 - shares) / counts).mean()),
        covariance=0.0,
        base_variance=theirs * (1 - theirs) / ((base.n or 0) + 1),
        between=_between(shares),
        models=len(tuned),
    )


def _between(scores: NDArray[np.float64]) -> float:
    return float(scores.var(ddof=1)) / len(scores) if len(scores) > 1 else 0.0


def _share(measured: Measured) -> float:
    assert measured.n is not None
    return (measured.capability * measured.n + 0.5) / (measured.n + 1)


def as_array(bits: str) -> NDArray[np.float64]:
    """1.0 or 0.0 per character of "1" and "0"."""
    return np.array(np.frombuffer(bits.encode(), dtype=np.uint8) == ord("1"), dtype=np.float64)
