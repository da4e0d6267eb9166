"""Permutations and resamples of cases within strata, in batches."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Signs: TypeAlias = NDArray[np.int8]
Scores: TypeAlias = NDArray[np.float64]
Strata: TypeAlias = Sequence[Sequence[int]]

MOST_EXACT = 10_000
"""Permutations that are all made; of more, a sample is drawn."""
DRAWS = 2_999
RESAMPLES = 999
_BATCH = 2e5
"""Pairs that are looked at at once."""


def permutations(n: int, strata: Strata, seed: int) -> tuple[Iterator[NDArray[np.int64]], bool]:
    """Cases in other places of their stratum, in batches of shape (batch, n), and whether these are all."""
    if math.prod(math.factorial(len(stratum)) for stratum in strata) <= MOST_EXACT:
        return iter([_all_permutations(n, tuple(map(tuple, strata)))]), True
    return _drawn(n, strata, DRAWS, seed, with_replacement=False), False


def resamples(n: int, strata: Strata, seed: int) -> Iterator[NDArray[np.int64]]:
    """Cases drawn with replacement from their stratum, in batches of shape (batch, n)."""
    return _drawn(n, strata, RESAMPLES, seed, with_replacement=True)


def taken(signs: Signs, orders: NDArray[np.int64]) -> NDArray[np.float32]:
    """The signs of the pairs i < j with the cases in each order, shape (batch, pairs); exact in sums."""
    n = len(signs)
    first, second = np.triu_indices(n, 1)
    flat: NDArray[np.float32] = signs.reshape(-1).astype(np.float32)
    return np.asarray(flat[orders[:, first] * n + orders[:, second]], dtype=np.float32)


def summed_products(x: Signs | Scores, y: Signs | Scores) -> float:
    """sum(x y) over all pairs, without a matrix of the products."""
    return float(np.einsum("ij,ij->", x, y, dtype=np.float64))


def permutation_variance(x: Signs, y: Signs | Scores, strata: Strata) -> float:
    """Variance of sum(x y) over all pairs, over permutations of the cases within each stratum.

    With a, b the two antisymmetric matrices of a stratum of n cases and a_i, b_i their row sums:
    4 / (n (n - 1) (n - 2)) (sum a_i^2 - sum a^2) (sum b_i^2 - sum b^2) + 2 / (n (n - 1)) sum a^2 sum b^2
    (Daniels, 1944, doi:10.1093/biomet/33.2.129).
    """
    total = 0.0
    for stratum in strata:
        n = len(stratum)
        if n < 2:
            continue
        square = np.ix_(stratum, stratum)
        a, b = x[square], y[square]
        a2, b2 = summed_products(a, a), summed_products(b, b)
        total += 2 * a2 * b2 / (n * (n - 1))
        if n > 2:
            rows = (
                float((m.sum(axis=1, dtype=np.float64) ** 2).sum()) - squares
                for m, squares in ((a, a2), (b, b2))
            )
            total += 4 * math.prod(rows) / (n * (n - 1) * (n - 2))
    return total


@lru_cache(maxsize=4)
def _all_permutations(n: int, strata: tuple[tuple[int, ...], ...]) -> NDArray[np.int64]:
    ways = [list(itertools.permutations(stratum)) for stratum in strata]
    chosen = list(itertools.product(*ways))
    orders = np.tile(np.arange(n), (len(chosen), 1))
    for place, stratum in enumerate(strata):
        orders[:, list(stratum)] = [choice[place] for choice in chosen]
    return orders


def _drawn(
    n: int, strata: Strata, count: int, seed: int, *, with_replacement: bool
) -> Iterator[NDArray[np.int64]]:
    random = np.random.Generator(np.random.PCG64(seed))
    size = max(1, int(_BATCH / max(1, n * n)))
    for start in range(0, count, size):
        batch = min(size, count - start)
        orders = np.tile(np.arange(n), (batch, 1))
        for stratum in map(np.asarray, strata):
            if with_replacement:
                orders[:, stratum] = random.choice(stratum, (batch, len(stratum)))
            else:
                orders[:, stratum] = random.permuted(np.tile(stratum, (batch, 1)), axis=1)
        yield orders
