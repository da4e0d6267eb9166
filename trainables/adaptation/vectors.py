"""Vectors of tokens from how they occur together, of one stream of token ids.

Ids are names and nothing more: no method may look at their digits, as character n-grams would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trainables.adaptation.streams import TokenStream
from trainables.errors import UserError
from trainables.registry import Registry

if TYPE_CHECKING:
    from scipy import sparse

Vectors: TypeAlias = NDArray[np.float32]

_PAIRS = 2**22
"""Pairs that are counted at once, at most."""

_OVERSAMPLING = 16
_POWERS = 4
_ANY_SEED = 20_170_701
_POWER = 0.5


@dataclass(frozen=True)
class VectorSettings:
    """How token vectors are made.

    Attributes:
        dimensions: Of a vector, at most.
        window: Tokens on either side that count as context.
        least: Tokens that occur less often have no vector: too little is known of them.
    """

    dimensions: int = 256
    window: int = 3
    least: int = 5


@dataclass(frozen=True, eq=False)
class TokenVectors:
    """Vectors of the tokens that occur often enough.

    Attributes:
        ids: Increasing token ids, shape (tokens,), int64.
        values: Their vectors, shape (tokens, dimensions).
    """

    ids: NDArray[np.int64]
    values: Vectors

    def rows_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row of each of these token ids, -1 where it has none; the same shape."""
        if not len(self.ids):
            return np.full(len(ids), -1, dtype=np.int64)
        rows = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[rows] == ids, rows, -1)


MakeVectors: TypeAlias = Callable[[TokenStream, VectorSettings], TokenVectors]

VECTORS: Registry[MakeVectors] = Registry("method of token vectors")


@VECTORS.register("ppmi_svd", "positive pointwise mutual information, reduced by a truncated SVD")
def ppmi_svd(stream: TokenStream, settings: VectorSettings) -> TokenVectors:
    """PPMI with truncated SVD (Levy, Goldberg and Dagan, 2015, TACL 3, 211-225).

    Contexts are smoothed by the power 0.75, nearer ones weigh more (1 / distance), and dimensions are
    weighted by the square roots of the singular values. The same stream gives the same vectors.

    Raises:
        UserError: Fewer than two tokens occur often enough.
    """
    ids = np.flatnonzero(stream.counts >= settings.least)
    if len(ids) < 2:
        raise UserError(
            f"only {len(ids)} tokens occur {settings.least} times or more in the training corpus of "
            f"{len(stream.ids):,} tokens, so there is nothing to align tokens by.",
            hint="Give a larger corpus.",
        )
    matrix = _positive_information(_together(stream, ids, settings.window))
    return TokenVectors(ids, _reduced(matrix, min(settings.dimensions, len(ids) - 1)))


def _together(stream: TokenStream, ids: NDArray[np.int64], window: int) -> sparse.csr_array:
    """How often two tokens occur within a window of a document, weighted by 1 / distance; symmetric."""
    from scipy import sparse

    row_of = np.full(stream.size, -1, dtype=np.int64)
    row_of[ids] = np.arange(len(ids))
    rows = row_of[stream.ids]
    document = np.repeat(np.arange(len(stream.starts) - 1), np.diff(stream.starts))
    total = sparse.csr_array((len(ids), len(ids)), dtype=np.float64)
    for first in range(0, len(rows), _PAIRS):
        for distance in range(1, window + 1):
            left = slice(first, min(first + _PAIRS, len(rows) - distance))
            right = slice(left.start + distance, left.stop + distance)
            if left.stop <= left.start:
                continue
            kept = (document[left] == document[right]) & (rows[left] >= 0) & (rows[right] >= 0)
            pair = (rows[left][kept], rows[right][kept])
            weights = np.full(len(pair[0]), 1 / distance)
            total += sparse.coo_array((weights, pair), shape=total.shape).tocsr()
    return (total + total.T).tocsr()


def _positive_information(together: sparse.csr_array, smoothing: float = 0.75) -> sparse.csr_array:
    """max(0, log(p(t, c) / (p(t) p'(c)))) with p'(c) proportional to p(c) ** smoothing."""
    from scipy import sparse

    sums = together.sum(axis=1)
    contexts = sums**smoothing / (sums**smoothing).sum()
    pairs = together.tocoo()
    row, column = pairs.coords
    expected = sums[row] * contexts[column]
    values = np.maximum(0.0, np.log(pairs.data / expected))
    positive = sparse.csr_array((values.astype(np.float32), (row, column)), shape=together.shape)
    positive.eliminate_zeros()
    return positive


def _reduced(matrix: sparse.csr_array, dimensions: int) -> Vectors:
    """U sqrt(S) of a truncated SVD, by subspace iteration (Halko et al., 2011, arXiv:0909.4061)."""
    width = min(dimensions + _OVERSAMPLING, matrix.shape[0])
    draw = np.random.default_rng(_ANY_SEED)
    basis = draw.standard_normal((matrix.shape[1], width), dtype=np.float32)
    for _ in range(_POWERS):
        basis, _ = np.linalg.qr(matrix.T @ (matrix @ basis))
    left, _ = np.linalg.qr(matrix @ basis)
    small, values, _ = np.linalg.svd((matrix.T @ left).T, full_matrices=False)
    reduced: Vectors = ((left @ small) * values**_POWER)[:, :dimensions].astype(np.float32)
    return reduced
