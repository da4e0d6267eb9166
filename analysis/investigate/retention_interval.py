"""The 95% interval of retention, the mean capability of tuned models as a share of the base model's."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from analysis.investigate.change import mean_pairs, pairable
from analysis.investigate.study import Measured
from search.judging.paired import Means, fieller
from trainables.interval import Interval, Z, t_quantile

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
        means, scores = Means.of(mean_pairs(base, known)), [_score(base, model) for model in known]
    elif base.n and all(model.n for model in known):
        n = min(model.n for model in (base, *known) if model.n)
        means, scores = _from_shares(base, known), [_share(model) for model in known]
    else:
        return None
    interval = fieller(means, n, _between(means, scores))
    measured = sum(model.capability for model in known) / len(known) / base.capability
    # What is added keeps the bounds from 0, where the measured value may be.
    return Interval(low=min(interval.low, measured), high=max(interval.high, measured), n=n)


def _between(means: Means, scores: Sequence[float]) -> float:
    """t^2 S^2 / k, with Satterthwaite's freedom at the measured ratio; 0 of one model."""
    between = float(np.var(scores, ddof=1)) / len(scores) if len(scores) > 1 else 0.0
    if not between:
        return 0.0
    r = means.tuned / means.base
    items = means.tuned_variance - 2 * r * means.covariance + r * r * means.base_variance
    freedom = (len(scores) - 1) * (1 + max(0.0, items) / between) ** 2
    quantile = Z if freedom > _MOST_FREEDOM else t_quantile(0.975, int(freedom))
    return quantile**2 * between


def _score(base: Measured, tuned: Measured) -> float:
    """A model's mean share over the skills, with what `Means.of` adds."""
    return Means.of(mean_pairs(base, [tuned])).tuned


def _from_shares(base: Measured, tuned: Sequence[Measured]) -> Means:
    shares = np.array([_share(model) for model in tuned])
    counts = np.array([(model.n or 0) + 1 for model in tuned])
    theirs = _share(base)
    return Means(
        tuned=float(shares.mean()),
        base=theirs,
        # All are evaluated on the same items: their noise does not average out.
        tuned_variance=float((shares * (1 - shares) / counts).mean()),
        covariance=0.0,
        base_variance=theirs * (1 - theirs) / ((base.n or 0) + 1),
    )


def _share(measured: Measured) -> float:
    assert measured.n is not None
    return (measured.capability * measured.n + 0.5) / (measured.n + 1)
