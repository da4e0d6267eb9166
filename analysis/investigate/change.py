"""The change of a share from the base model to a tuned one, paired item by item where that is possible."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.investigate.study import Measured, Share
from search.judging import paired as judging
from search.judging.paired import Means, Pairs
from trainables.interval import Interval, Z


@dataclass(frozen=True)
class Change:
    """Tuned minus base.

    Attributes:
        value: The difference of the shares as measured.
        interval: Its 95% interval.
        p: Two-sided p-value that belongs to the interval.
        paired: Whether the same items were compared one by one.
    """

    value: float
    interval: Interval
    p: float
    paired: bool


def capability_change(base: Measured | None, tuned: Measured) -> Change | None:
    """The change of capability; None where the base or the number of items is not known."""
    if base is None or not (math.isfinite(base.capability) and math.isfinite(tuned.capability)):
        return None
    if pairable(base.bits, tuned.bits):
        return paired_change([Pairs.of(text, tuned.bits[skill]) for skill, text in base.bits.items()])
    return unpaired_change(Share(base.capability, base.n), Share(tuned.capability, tuned.n))


def pooled_change(base: Measured | None, tuned: Sequence[Measured]) -> Change | None:
    """The mean change of capability over several tuned models; None as in `capability_change`.

    Item by item, as in `paired_change`, of the mean over the models; else of their mean share, as if it
    rested on the items of one model, since all were evaluated on the same ones.
    """
    if base is None or not tuned or not all(math.isfinite(model.capability) for model in (base, *tuned)):
        return None
    if all(pairable(base.bits, model.bits) for model in tuned):
        return paired_change(mean_pairs(base, tuned))
    if not all(model.n for model in tuned):
        return None
    mean = sum(model.capability for model in tuned) / len(tuned)
    fewest = min(model.n for model in tuned if model.n)
    return unpaired_change(Share(base.capability, base.n), Share(mean, fewest))


def mean_pairs(base: Measured, tuned: Sequence[Measured]) -> list[Pairs]:
    """Of every skill the items' outcomes under the base model and, on average, under several tuned ones."""
    return [Pairs.over(text, [model.bits[skill] for model in tuned]) for skill, text in base.bits.items()]


def pairable(base: Mapping[str, str], tuned: Mapping[str, str]) -> bool:
    """Whether both hold items, and the same number of every skill."""
    return bool(base) and base.keys() == tuned.keys() and judging.pairable(base, tuned, base)


def paired_change(strata: Sequence[Pairs]) -> Change:
    """The mean over strata of the difference of shares, item by item.

    Wald's interval of `search.judging.paired.Means.of`. The p-value is the normal one of the same estimate.

    Args:
        strata: At least one, none empty.
    """
    value = sum(pairs.shares[0] - pairs.shares[1] for pairs in strata) / len(strata)
    centre, variance = Means.of(strata).difference
    return _change(value, centre, variance, int(sum(pairs.n for pairs in strata)), paired=True)


def unpaired_change(base: Share, tuned: Share) -> Change | None:
    """The difference of two shares of separate items; None where a number of items is not known.

    Wald's interval with two observations added to each share, one of them right (Agresti and Caffo, 2000,
    doi:10.1080/00031305.2000.10474560). Over the same items it is wider than need be.
    """
    if not base.n or not tuned.n:
        return None
    p, q = ((share.value * share.n + 1) / (share.n + 2) for share in (tuned, base) if share.n)
    variance = p * (1 - p) / (tuned.n + 2) + q * (1 - q) / (base.n + 2)
    return _change(tuned.value - base.value, p - q, variance, min(tuned.n, base.n), paired=False)


def normal_p(z: float) -> float:
    """Two-sided p-value of a standard normal statistic."""
    return math.erfc(abs(z) / math.sqrt(2))


def _change(value: float, centre: float, variance: float, n: int, *, paired: bool) -> Change:
    error = math.sqrt(max(0.0, variance))
    interval = Interval(low=max(-1.0, centre - Z * error), high=min(1.0, centre + Z * error), n=n)
    # A table without a single difference has an estimate of 0, never an error of 0.
    return Change(value, interval, normal_p(centre / error), paired)
