"""How well the order of trials at a rung predicts their order at the full budget."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

PRIOR_AGREEMENT = 0.8
PRIOR_TRIALS = 4.0
"""Until trials show otherwise, a rung is assumed to order 8 of 10 pairs correctly, with the weight of 4."""

_WINDOW = 200
"""The newest trained trials, which are compared."""


class Foresight:
    """Compares the trials that reached the full budget at a rung and at the end.

    The agreement is the share of pairs of trials that are in the same order at both, over all
    objectives (Kendall's concordance, 1 for a rung that predicts the end and 1/2 for one that says
    nothing). A pair counts by the inverse of the probability that both were trained to the end (Horvitz and
    Thompson, 1952, doi:10.1080/01621459.1952.10483446). The prior counts as `PRIOR_TRIALS` trials, the sample
    as its effective size (sum of weights)^2 / (sum of squared weights).
    """

    def __init__(self) -> None:
        # The newest trials, each in a row; `_rows` is in the order of the reports. Of each pair, its weight
        # times the objectives in which the end orders it, and times those in which the rung agrees.
        self._rows: dict[int, int] = {}
        self._at_rung = self._at_end = np.empty((0, 0))
        self._weights = np.zeros(_WINDOW)
        self._ordered = np.zeros((_WINDOW, _WINDOW))
        self._agree = np.zeros((_WINDOW, _WINDOW))

    def add(self, trial: int, at_rung: tuple[float, ...], at_end: tuple[float, ...], weight: float) -> None:
        """Takes a trained trial.

        Args:
            trial: Its number; a second time replaces the first.
            at_rung: Costs at the rung, finite.
            at_end: Costs at the full budget, finite.
            weight: Inverse of the probability that it was trained to the end.
        """
        if not self._rows:
            self._at_rung, self._at_end = np.empty((2, _WINDOW, len(at_end)))
        row = self._rows.pop(trial, None)
        if row is None:
            full = len(self._rows) == _WINDOW
            row = self._rows.pop(next(iter(self._rows))) if full else len(self._rows)
        self._rows[trial] = row
        self._at_rung[row], self._at_end[row], self._weights[row] = at_rung, at_end, weight
        n = len(self._rows)
        ordered, agree = _compare(self._at_rung[:n], self._at_end[:n], row)
        pair = self._weights[:n] * weight
        self._ordered[row, :n] = self._ordered[:n, row] = pair * ordered
        self._agree[row, :n] = self._agree[:n, row] = pair * agree

    @property
    def agreement(self) -> float:
        """Estimated share of pairs that the rung orders as the end does."""
        if not self._rows:
            return PRIOR_AGREEMENT
        size = self._weights.sum() ** 2 / (self._weights**2).sum()
        return _with_prior(float(self._agree.sum()), float(self._ordered.sum()), float(size))

    def kept(self, n: int, eta: int) -> int:
        """How many of n trials at the rung continue.

        From floor(n / eta) where the rung predicts the end to all but the last where it says nothing: the
        share that is stopped is (1 - 1/eta) (2 agreement - 1).
        """
        trust = min(1.0, max(0.0, 2 * self.agreement - 1))
        return max(n // eta, min(n - 1, int(n * (1 - trust * (1 - 1 / eta)) + 1e-9)))


def agreement(at_rung: Floats, at_end: Floats) -> float:
    """The agreement of a `Foresight` that took all of these trials with weight 1.

    Args:
        at_rung: Costs at the rung, finite, shape (n, objectives).
        at_end: Costs at the full budget, likewise.
    """
    ordered, agree = _compare(at_rung, at_end, np.arange(len(at_end))[:, None])
    return _with_prior(float(agree.sum()), float(ordered.sum()), float(len(at_end)))


def _with_prior(agree: float, ordered: float, size: float) -> float:
    if ordered == 0.0:
        return PRIOR_AGREEMENT
    return (PRIOR_TRIALS * PRIOR_AGREEMENT + size * (agree / ordered)) / (PRIOR_TRIALS + size)


def _compare(at_rung: Floats, at_end: Floats, row: int | NDArray[np.int64]) -> tuple[Floats, Floats]:
    """For pairs of each trial with that of a row (or of every row, shape (n, 1)): objectives that the end
    orders, and of these, those in which the rung agrees."""
    rung, end = _order(at_rung, at_rung[row]), _order(at_end, at_end[row])
    ordered = end != 0
    # A tie at the rung says nothing of the pair, as a coin does.
    agree = ordered * np.where(rung == end, 1.0, np.where(rung == 0, 0.5, 0.0))
    return ordered.sum(axis=-1).astype(np.float64), agree.sum(axis=-1)


def _order(costs: Floats, others: Floats) -> NDArray[np.int8]:
    """Whether costs are above (1), below (-1) or equal to (0) the others."""
    # Not by subtraction, which overflows.
    order: NDArray[np.int8] = (costs > others).astype(np.int8) - (costs < others).astype(np.int8)
    return order
