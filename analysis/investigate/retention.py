"""The 95% interval of retention, the mean capability of tuned models as a share of the base model's."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.investigate.change import pairable
from analysis.investigate.study import Measured
from search.record.events import Interval

_DRAWS = 999
_CELLS = ((0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))
"""Outcomes of an item under the base model and under the tuned ones."""


def retention_interval(base: Measured, tuned: Sequence[Measured], seed: int = 0) -> Interval | None:
    """95% interval of the tuned models' mean capability as a share of the base model's.

    Where the outcomes of the same items are known it is a bootstrap over models and items at once: both are
    weighted independently, and a draw's value is the weighted mean over the cells, the "pigeonhole"
    bootstrap, whose variance is conservative (Owen, 2007, doi:10.1214/07-AOAS122), with the weights of the
    Bayesian one (Rubin, 1981, doi:10.1214/aos/1176345338). As in `paired_change`, 0.5 / K observations are
    added to each cell of each of the K skills, so that no interval has zero width.

    Where only shares and numbers of items are known, each share is drawn from its posterior under Jeffreys'
    prior, Beta(k + 1/2, n - k + 1/2), the base model's too, and the models are weighted likewise. Over the
    same items that is wider than need be.

    Args:
        base: The base model, with a capability above 0.
        tuned: The models of one level, in a fixed order.
        seed: Of the draws.

    Returns:
        None where there is no model, or a number of items is not known; n is the number of items.
    """
    known = [own for own in tuned if math.isfinite(own.capability)]
    random = np.random.Generator(np.random.PCG64(seed))
    if not known or not base.capability > 0:
        return None
    if all(pairable(base.bits, own.bits) for own in known):
        drawn = _from_items(base, known, random)
        n = sum(map(len, base.bits.values()))
    elif base.n and all(own.n for own in known):
        drawn = _from_shares(base, known, random)
        n = min(own.n for own in (base, *known) if own.n)
    else:
        return None
    low, high = np.quantile(drawn, [0.025, 0.975])
    measured = sum(own.capability for own in known) / len(known) / base.capability
    # What is added keeps the bounds from 0, where the measured value may be.
    return Interval(low=min(float(low), measured), high=max(float(high), measured), n=n)


def _from_items(
    base: Measured, tuned: Sequence[Measured], random: np.random.Generator
) -> NDArray[np.float64]:
    models = _weights(random, np.ones(len(tuned)))
    above, below = np.zeros(_DRAWS), np.zeros(_DRAWS)
    added = np.full(len(_CELLS), 0.5 / len(base.bits))
    own, theirs = np.array(_CELLS).T
    for skill, text in base.bits.items():
        weights = _weights(random, np.concatenate([np.ones(len(text)), added]))
        rights = np.stack([np.concatenate([as_array(one.bits[skill]), theirs]) for one in tuned])
        above += np.einsum("dc,cd->d", models, rights @ weights.T)
        below += weights @ np.concatenate([as_array(text), own])
    return np.asarray(above / below)


def _from_shares(
    base: Measured, tuned: Sequence[Measured], random: np.random.Generator
) -> NDArray[np.float64]:
    models = _weights(random, np.ones(len(tuned)))
    shares = np.stack([_posterior(random, one) for one in tuned], axis=1)
    return np.asarray((models * shares).sum(axis=1) / _posterior(random, base))


def _posterior(random: np.random.Generator, measured: Measured) -> NDArray[np.float64]:
    assert measured.n is not None
    right = measured.capability * measured.n
    return random.beta(right + 0.5, measured.n - right + 0.5, _DRAWS)


def _weights(random: np.random.Generator, shape: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights that sum to 1, Dirichlet with these parameters, shape (draws, parameters)."""
    drawn = random.standard_gamma(shape, (_DRAWS, len(shape)))
    return np.asarray(drawn / drawn.sum(axis=1, keepdims=True))


def as_array(bits: str) -> NDArray[np.float64]:
    """1.0 or 0.0 per character of "1" and "0"."""
    return np.array(np.frombuffer(bits.encode(), dtype=np.uint8) == ord("1"), dtype=np.float64)
