"""The harness's figures over all documents, with intervals."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np

from trainables.evaluation.harness.segments import SEGMENTED, score, sums
from trainables.evaluation.intervals import token_mean, wilson
from trainables.interval import Interval, t_quantile

GROUPS = 20
"""Groups of documents that are left out in turn, at most."""

MEAN = "mean"
"""The harness's name for the mean over documents."""

_KEPT = 64  # figures of models, the base among them
_NO_FIGURE = (ArithmeticError, AttributeError, ValueError, TypeError, IndexError)
_LARGEST_EXPONENT = 700.0
_EXPONENTIALS = ("perplexity", "weighted_perplexity")
_RANGES = {
    "bits_per_byte": (0.0, math.inf),
    "f1": (0.0, 1.0),
    "matthews_corrcoef": (-1.0, 1.0),
    "brier_score": (0.0, 2.0),
    "bleu": (0.0, 100.0),
    "chrf": (0.0, 100.0),
    "chrf++": (0.0, 100.0),
    "ter": (0.0, math.inf),
}

_Statistic = Callable[[Sequence[Any]], float]


class Figure(NamedTuple):
    """A figure over documents; the interval is None where the documents say nothing of the spread."""

    value: float
    interval: Interval | None


def figure(aggregation: str, values: Sequence[Any]) -> Figure | None:
    """The figure of a metric, and its 95% interval.

    Of a mean of zeros and ones the interval is Wilson's, of any other mean Student's over documents. Of
    what only all documents together make, such as BLEU or perplexity, it is that of `jackknife`, within the
    figure's range; of a perplexity that of its logarithm.

    What leaving documents out makes of a figure is computed once for its values, and kept for its change and
    for the next model that is compared with the same base. BLEU, chrF and TER are made of sums over
    documents (`segments`), so that each text is looked at once, and leaving a group out is a subtraction.

    Args:
        aggregation: The harness's name for how values become one.
        values: One for each document, as the harness has them, or as `segments.reduced` makes of them.

    Returns:
        None where the harness can make no number of them.
    """
    if aggregation == MEAN and _are_numbers(values):
        if set(values) <= {0, 1}:
            total = sum(values)
            return Figure(total / len(values), wilson(total, len(values))) if values else None
        return _mean(values)
    estimates = _left_out(aggregation, values)
    if aggregation in _EXPONENTIALS:
        return _exponential(
            _within(_estimate([_logarithm(each) for each in estimates], len(values)), 0.0, math.inf)
        )
    return _within(_estimate(estimates, len(values)), *_RANGES.get(aggregation, (-math.inf, math.inf)))


def change(aggregation: str, values: Sequence[Any], base: Sequence[Any]) -> Figure | None:
    """The figure less the base model's, paired document by document; see `figure`.

    Args:
        aggregation: See there.
        values: See there.
        base: The base model's, of the same documents.
    """
    if aggregation == MEAN and _are_numbers([*values, *base]):
        return _mean([value - other for value, other in zip(values, base, strict=True)])
    tuned, theirs = _left_out(aggregation, values), _left_out(aggregation, base)
    if len(tuned) != len(theirs):  # one of them has no figure
        return None
    pairs = zip(tuned, theirs, strict=True)
    return _estimate([_difference(*pair) for pair in pairs], len(values))


def jackknife(statistic: _Statistic, values: Sequence[Any]) -> Figure | None:
    """A statistic of documents, and its interval by leaving out groups of them in turn.

    The delete-m jackknife for groups of unequal size (Busing, Meijer and van der Leeden, 1999,
    doi:10.1023/A:1008800423698): of n documents in g groups with m_j each, h_j = n / m_j, and T the statistic
    of all and T_j of all but group j, the pseudo-values are p_j = h_j T - (h_j - 1) T_j, whose weighted mean
    is P = g T - sum (1 - m_j / n) T_j, and the variance is sum (p_j - P)^2 / (h_j - 1) / g. The interval is
    T +- t sqrt(variance), with the 97.5% quantile t of Student's distribution with g - 1 degrees of freedom.

    Args:
        statistic: Of at least one document; it may raise ArithmeticError, ValueError or TypeError where
            there is no figure.
        values: One for each document.
    """
    return _estimate(_statistics(statistic, values), len(values))


def _groups(n: int) -> list[int]:
    """The group of each document; all have none where there are too few to leave one out."""
    return [place % GROUPS for place in range(n)] if n > 1 else []


def _statistics(statistic: _Statistic, values: Sequence[Any]) -> list[float | None]:
    """The statistic of all documents, and of all but each group; None where there is none."""
    groups = _groups(len(values))
    parts = (
        [value for value, member in zip(values, groups, strict=True) if member != group]
        for group in range(max(groups, default=-1) + 1)
    )
    return [_value(statistic, some) for some in (values, *parts)]


def _left_out(aggregation: str, values: Sequence[Any]) -> tuple[float | None, ...]:
    """Change of the harness's figure from the base model's."""
    return _left_out_of(aggregation, json.dumps(values))


@lru_cache(_KEPT)
def _left_out_of(aggregation: str, values: str) -> tuple[float | None, ...]:
    documents = json.loads(values)
    if aggregation not in SEGMENTED:
        return tuple(_statistics(_statistic(aggregation), documents))
    try:
        counts = sums(aggregation, documents, _groups(len(documents)))
    except _NO_FIGURE:
        return (None,)
    return tuple(_value(partial(score, aggregation), some) for some in counts)


def _estimate(statistics: Sequence[float | None], n: int) -> Figure | None:
    """The figure, from what it is of all of n documents and without each group; see `jackknife`."""
    whole, left = statistics[0], [part for part in statistics[1:] if part is not None and math.isfinite(part)]
    if whole is None:
        return None
    groups = len(left)
    if groups < max(2, len(statistics) - 1) or not math.isfinite(whole):
        return Figure(whole, None)
    weights = n / np.array([len(range(group, n, groups)) for group in range(groups)])
    without = np.array(left)
    pseudo = weights * whole - (weights - 1) * without
    centre = groups * whole - float(((1 - 1 / weights) * without).sum())
    variance = float(((pseudo - centre) ** 2 / (weights - 1)).mean())
    return _spread(whole, t_quantile(0.975, groups - 1) * math.sqrt(variance), n)


def _difference(value: float | None, other: float | None) -> float | None:
    difference = math.nan if value is None or other is None else value - other
    return None if math.isnan(difference) else difference


def _logarithm(value: float | None) -> float | None:
    return math.log(value) if value else None


def _mean(values: Sequence[float]) -> Figure | None:
    with np.errstate(invalid="ignore"):
        value, interval = token_mean(np.array(values, dtype=np.float64), np.ones(len(values), dtype=np.int64))
    if math.isnan(value):
        return None
    if interval is None or not math.isfinite(value):
        return Figure(value, None)
    return _spread(value, interval.high - value, interval.n)


def _exponential(estimate: Figure | None) -> Figure | None:
    """The figure whose logarithm this is."""
    if estimate is None:
        return None
    value, interval = estimate
    if interval is not None:
        interval = Interval(_exp(interval.low), _exp(interval.high), interval.n)
    return Figure(_exp(value), interval)


def _exp(value: float) -> float:
    return math.exp(value) if value < _LARGEST_EXPONENT else math.inf


def _within(estimate: Figure | None, low: float, high: float) -> Figure | None:
    """The figure with its interval cut off at these bounds."""
    if estimate is None or estimate.interval is None:
        return estimate
    interval = estimate.interval
    return estimate._replace(interval=Interval(max(low, interval.low), min(high, interval.high), interval.n))


def _spread(value: float, half: float, n: int) -> Figure:
    # Where all documents say the same, there is nothing to tell how others would differ.
    return Figure(value, Interval(value - half, value + half, n) if half > 0 else None)


def _value(statistic: _Statistic, values: Sequence[Any]) -> float | None:
    """The statistic, if it is a number: nothing that the harness cannot aggregate may end a trial."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of classes that a group of documents has not
            value = float(statistic(values))
    except OverflowError:  # exp(loss) of a model that has diverged
        return math.inf
    except _NO_FIGURE:
        return None
    return None if math.isnan(value) else value


def _statistic(aggregation: str) -> _Statistic:
    import lm_eval.api.metrics  # noqa: F401  (registers them)
    from lm_eval.api.registry import get_aggregation

    statistic: _Statistic = get_aggregation(aggregation)
    return statistic


def _are_numbers(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) for value in values)
