"""Rank statistics over trials that were measured at different steps, and tests of them.

Two trials are compared at the latest step at which both were measured, so that a trial stopped early is
neither left out nor compared with one that was trained longer. Where every trial has the same steps, this is
Kendall's tau-b (1945, doi:10.1093/biomet/33.3.239) in every stratum, and its numerator over an ordered factor
is the statistic of Jonckheere (1954, doi:10.1093/biomet/41.1-2.133) and Terpstra (1952).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.investigate.resampling import (
    Scores,
    Signs,
    Strata,
    permutation_variance,
    permutations,
    resamples,
    summed_products,
    taken,
)
from trainables.interval import Z

LARGE = 100
"""Beyond so many cases the normal distribution is used."""
FAVOURED = 0.8
"""Share of a test's level that goes to the direction that is expected."""
_SEED = 0
_ROUNDING = 1e-9
"""Relative differences up to this are none."""
_ROWS = 256


@dataclass(frozen=True)
class Tau:
    """A rank correlation with its permutation test.

    Attributes:
        value: From -1 to 1; NaN where nothing differs.
        p: NaN likewise.
        n: Cases.
        direction: Sign of the test statistic.
    """

    value: float
    p: float
    n: int
    direction: int


def value_signs(values: NDArray[np.float64]) -> Signs:
    """Signs of the differences x_i - x_j, shape (n, n)."""
    return _signs(values)


def curve_signs(curves: NDArray[np.float64]) -> Signs:
    """Signs of y_i - y_j at the latest step that both have, shape (n, n); 0 where they share none.

    Args:
        curves: Shape (n, steps), NaN where nothing was measured.
    """
    signs = np.zeros((len(curves), len(curves)), dtype=np.int8)
    for column in curves.T:
        known = np.flatnonzero(np.isfinite(column))
        signs[np.ix_(known, known)] = _signs(column[known])
    return signs


def curve_differences(curves: NDArray[np.float64]) -> Scores:
    """Differences y_i - y_j at the latest step that both have, shape (n, n); 0 where they share none.

    Args:
        curves: Shape (n, steps), NaN where nothing was measured.
    """
    differences = np.zeros((len(curves), len(curves)))
    for column in curves.T:
        known = np.flatnonzero(np.isfinite(column))
        values = column[known]
        for rows in _blocks(len(known)):
            differences[np.ix_(known[rows], known)] = values[rows, None] - values
    return differences


def _signs(values: NDArray[np.float64]) -> Signs:
    signs = np.empty((len(values), len(values)), dtype=np.int8)
    sizes = _ROUNDING * np.abs(values)
    for rows in _blocks(len(values)):
        differences = values[rows, None] - values
        # Shares that are equal but for rounding are ties; parameters may be small themselves.
        ties = np.abs(differences) <= np.maximum(sizes[rows, None], sizes)
        signs[rows] = np.where(ties, 0, np.sign(differences))
    return signs


def _blocks(n: int) -> Iterator[slice]:
    """Rows of a matrix of pairs that are computed at a time: one of floats is large, several are more so."""
    return (slice(begin, begin + _ROWS) for begin in range(0, n, _ROWS))


def within(n: int, strata: Strata) -> Signs:
    """1 for each pair within a stratum, shape (n, n), else 0."""
    mask = np.zeros((n, n), dtype=np.int8)
    for stratum in strata:
        mask[np.ix_(stratum, stratum)] = 1
    return mask


def tau_b(x: Signs, y: Signs) -> float:
    """sum(x y) / sqrt(sum(x^2) sum(y^2)) over all pairs; NaN where either is 0 throughout."""
    top = float(np.sum(x * y, dtype=np.int64))
    below = float(np.count_nonzero(x)) * float(np.count_nonzero(y))
    return top / below**0.5 if below else float("nan")


def trend(x: Signs, y: Signs, strata: Strata, differences: Scores | None = None, favoured: int = 0) -> Tau:
    """Kendall's tau-b within strata, tested by permuting the cases within each stratum.

    The test statistic is the sum over pairs of the sign in x times the sign in y, or times the difference in
    y (Pitman, 1937), which tells a large fall at one end from a small one. All permutations are made where
    there are at most 10,000; else 2,999 are drawn, seeded, and p = (1 + hits) / (1 + draws). Over more than
    100 cases p is the normal one, with the exact variance of the permutations.

    Args:
        x: Signs of the differences in the ordered factor.
        y: Signs of the differences in the quantity.
        strata: Cases that may change places.
        differences: Differences in the quantity, shape (n, n); None tests the signs.
        favoured: 1 or -1 gives 80% of the level to this direction and 20% to the other: p is the one-sided
            one, divided by 0.8 or by 0.2. 0 is the usual two-sided test.
    """
    n = len(x)
    mask = within(n, strata)
    x, y = x * mask, y * mask
    value = tau_b(x, y)
    if np.isnan(value):
        return Tau(value, float("nan"), n, 0)
    scores = y if differences is None else differences  # unmasked: x is 0 between strata, however permuted
    observed = summed_products(x, scores) / 2
    sign = int(np.sign(observed))
    if n > LARGE:
        z = abs(2 * observed) / permutation_variance(x, scores, strata) ** 0.5
        outer, beyond = math.erfc(z / math.sqrt(2)), math.erfc(z / math.sqrt(2)) / 2
    else:
        outer, beyond = _tails(x, scores, strata, observed)
    if favoured == 0 or sign == 0:
        return Tau(value, outer, n, sign)
    return Tau(value, min(1.0, beyond / (FAVOURED if sign == favoured else 1 - FAVOURED)), n, sign)


def _tails(x: Signs, scores: Signs | Scores, strata: Strata, observed: float) -> tuple[float, float]:
    """Shares of permutations at least as far from 0 as observed, on either side and on its own."""
    vector = scores[np.triu_indices(len(x), 1)].astype(np.float32)
    least = abs(observed) * (1 - 1e-4) - 1e-9
    outer = beyond = count = 0
    batches, exact = permutations(len(x), strata, _SEED)
    for orders in batches:
        sums = taken(x, orders) @ vector
        outer += int(np.count_nonzero(np.abs(sums) >= least))
        beyond += int(np.count_nonzero(sums * np.sign(observed) >= least))
        count += len(orders)
    drawn = 0 if exact else 1
    return (outer + drawn) / (count + drawn), (beyond + drawn) / (count + drawn)


def bootstrap(x: Signs, y: Signs, strata: Strata) -> tuple[float, float]:
    """95% percentile bootstrap interval of tau-b within strata, cases drawn anew within each stratum.

    NaN where nothing differs. Over fewer than about ten cases it is narrower than it should be. Over more
    than 100 it is the normal one of the jackknife's first order (the delta method for U-statistics).
    """
    n = len(x)
    mask = within(n, strata)
    x, y = x * mask, y * mask
    if n > LARGE:
        return _normal_interval(x, y)
    drawn = []
    for orders in resamples(n, strata, _SEED):
        xs, ys = taken(x, orders), taken(y, orders)
        below = np.count_nonzero(xs, axis=1).astype(float) * np.count_nonzero(ys, axis=1)
        with np.errstate(invalid="ignore"):
            drawn.append((xs * ys).sum(axis=1) / np.sqrt(below))
    values = np.concatenate(drawn)
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def holm(ps: Sequence[float]) -> list[float]:
    """p-values adjusted for their number (Holm, 1979); NaN stays NaN and is not counted."""
    known = sorted((p, index) for index, p in enumerate(ps) if not np.isnan(p))
    adjusted, largest = list(ps), 0.0
    for place, (p, index) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - place) * p))
        adjusted[index] = largest
    return adjusted


def _normal_interval(x: Signs, y: Signs) -> tuple[float, float]:
    value = tau_b(x, y)
    if math.isnan(value):
        return value, value
    below = math.sqrt(np.count_nonzero(x) * np.count_nonzero(y))
    concordance = (x * y).sum(axis=1, dtype=np.int64) / below
    ties = sum(np.count_nonzero(m, axis=1) / (2 * np.count_nonzero(m)) for m in (x, y))
    half = Z * 2 * math.sqrt(float(((concordance - value * ties) ** 2).sum()))
    return max(-1.0, value - half), min(1.0, value + half)
