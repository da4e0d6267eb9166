"""How well the order of trials at a rung predicts their order at the full budget."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

PRIOR_AGREEMENT = 0.8
PRIOR_TRIALS = 4.0
"""Until trials show otherwise, a rung is assumed to order 8 of 10 pairs correctly, with the weight of 4."""

_NEAR = 0.1
"""What counts as near in rank, as a share of the trials."""
_WINDOW = 200
"""The newest trained trials, which are compared."""


class Foresight:
    """Compares the trials that reached the full budget at a rung and at the end.

    The agreement is the share of pairs of trials that are in the same order at both, over all objectives
    (Kendall's concordance, 1 for a rung that predicts the end and 1/2 for one that says nothing). A pair
    whose ranks at the rung are d apart counts exp(-d / b), with b a tenth of the number of trials and at
    least 1: which trial to stop is decided among neighbours, and the pairs far apart that a search collects
    in its beginning are easy. A pair also counts by the inverse of the probability that both were trained to
    the end (Horvitz and Thompson, 1952, doi:10.1080/01621459.1952.10483446). The prior counts as
    `PRIOR_TRIALS` trials, the sample as its effective size (sum of weights)^2 / (sum of squared weights).
    """

    def __init__(self) -> None:
        # By trial, the newest last: costs at the rung and at the end, and the weight.
        self._trained: dict[int, tuple[tuple[float, ...], tuple[float, ...], float]] = {}
        self._agreement: float | None = PRIOR_AGREEMENT

    def add(self, trial: int, at_rung: tuple[float, ...], at_end: tuple[float, ...], weight: float) -> None:
        """Takes a trained trial.

        Args:
            trial: Its number; a second time replaces the first.
            at_rung: Costs at the rung, finite.
            at_end: Costs at the full budget, finite.
            weight: Inverse of the probability that it was trained to the end.
        """
        self._trained.pop(trial, None)
        self._trained[trial] = (at_rung, at_end, weight)
        if len(self._trained) > _WINDOW:
            del self._trained[next(iter(self._trained))]
        self._agreement = None

    @property
    def agreement(self) -> float:
        """Estimated share of pairs that the rung orders as the end does."""
        if self._agreement is None:
            at_rung, at_end, weights = map(np.array, zip(*self._trained.values(), strict=True))
            self._agreement = agreement(at_rung, at_end, weights)
        return self._agreement

    def kept(self, n: int, eta: int) -> int:
        """How many of n trials at the rung continue.

        From floor(n / eta) where the rung predicts the end to all but the last where it says nothing: the
        share that is stopped is (1 - 1/eta) tau^2, with tau = 2 agreement - 1. A correlation's square is the
        share of the end's variance that the rung explains.
        """
        tau = min(1.0, max(0.0, 2 * self.agreement - 1))
        return max(n // eta, min(n - 1, int(n * (1 - tau**2 * (1 - 1 / eta)) + 1e-9)))


def agreement(at_rung: Floats, at_end: Floats, weights: Floats | None = None) -> float:
    """The agreement of a `Foresight` that took these trials.

    Args:
        at_rung: Costs at the rung, finite, shape (n, objectives).
        at_end: Costs at the full budget, likewise.
        weights: Of the trials, shape (n,); None weighs all alike.
    """
    weights = np.ones(len(at_end)) if weights is None else weights
    rung, end = _order(at_rung), _order(at_end)
    ranks = (rung > 0).sum(axis=1)
    near = np.exp(-np.abs(ranks[:, None] - ranks) / max(1.0, _NEAR * len(at_end)))
    pairs = np.outer(weights, weights)[:, :, None] * near * (end != 0)
    ordered = float(pairs.sum())
    if ordered == 0.0:
        return PRIOR_AGREEMENT
    # A tie at the rung says nothing of the pair, as a coin does.
    agree = float((pairs * np.where(rung == end, 1.0, np.where(rung == 0, 0.5, 0.0))).sum())
    size = float(weights.sum() ** 2 / (weights**2).sum())
    return (PRIOR_TRIALS * PRIOR_AGREEMENT + size * (agree / ordered)) / (PRIOR_TRIALS + size)


def _order(costs: Floats) -> NDArray[np.int8]:
    """Of each pair, in each objective, whether the first is above (1), below (-1) or equal to (0) the second.

    Args:
        costs: Shape (n, objectives).

    Returns:
        Shape (n, n, objectives).
    """
    # Not by subtraction, which overflows.
    first = costs[:, None]
    order: NDArray[np.int8] = (first > costs).astype(np.int8) - (first < costs).astype(np.int8)
    return order
