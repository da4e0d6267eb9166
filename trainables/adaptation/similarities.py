"""Similarities of tokens of two vocabularies, whose vectors lie in spaces of their own.

Both are learned from anchors, tokens that stand for the same text in both vocabularies. Each is normalised: a
cosine, between -1 and 1, so that a threshold on it means something.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trainables.adaptation.vectors import Vectors
from trainables.registry import Registry


class Features(NamedTuple):
    """Vectors of all tokens whose inner products are similarities.

    Attributes:
        target: Shape (target tokens, dimensions).
        source: Shape (source tokens, dimensions).
    """

    target: Vectors
    source: Vectors


class Anchors(NamedTuple):
    """Rows of the two sets of vectors that stand for the same text, one below the other.

    Attributes:
        target: Shape (anchors,).
        source: Likewise.
    """

    target: NDArray[np.int64]
    source: NDArray[np.int64]


Similarity: TypeAlias = Callable[[Vectors, Vectors, Anchors], Features]
"""From the vectors of target and source tokens and the anchors to features; needs at least one anchor."""

SIMILARITIES: Registry[Similarity] = Registry("similarity")


@SIMILARITIES.register("relative", "cosine of centred similarities to the anchors")
def relative(target: Vectors, source: Vectors, anchors: Anchors) -> Features:
    """Cosine of relative representations (Moschella et al., 2023, arXiv:2209.15430), centred.

    A token's relative representation has its cosine to each anchor of its own vocabulary. With unit vectors X
    and anchors A that is X A', and its mean over the tokens is subtracted. The inner product of two of them,
    x A' B y', needs only the matrix A' B of both vocabularies' anchors, so that no vector is longer than the
    dimensions, however many anchors there are.
    """
    x, y = _unit(_centred(target)), _unit(_centred(source))
    a, b = x[anchors.target], y[anchors.source]
    x, y = _centred(x), _centred(y)
    across = (a.T @ b).astype(np.float32)
    left = _divided(x @ across, _norms(x, a.T @ a))
    return Features(left, _divided(y, _norms(y, b.T @ b)))


@SIMILARITIES.register("procrustes", "cosine after the rotation that fits the anchors best")
def procrustes(target: Vectors, source: Vectors, anchors: Anchors) -> Features:
    """Cosine after orthogonal Procrustes (Schönemann, 1966, doi:10.1007/BF02289451) on centred unit vectors.

    The rotation W minimises |A W - B| over orthogonal W, which is U V' of the singular value decomposition of
    A' B.
    """
    x, y = _unit(_centred(target)), _unit(_centred(source))
    left, _, right = np.linalg.svd(x[anchors.target].T @ y[anchors.source], full_matrices=False)
    return Features((x @ (left @ right)).astype(np.float32), y)


def _centred(vectors: Vectors) -> Vectors:
    centred: Vectors = vectors - vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    return centred


def _unit(vectors: Vectors) -> Vectors:
    return _divided(vectors, np.linalg.norm(vectors, axis=1))


def _norms(vectors: Vectors, metric: Vectors) -> NDArray[np.float32]:
    """sqrt(v M v') of each row, shape (rows,)."""
    squares = np.einsum("ij,ij->i", vectors @ metric, vectors)
    norms: NDArray[np.float32] = np.sqrt(np.maximum(squares, 0.0)).astype(np.float32)
    return norms


def _divided(vectors: Vectors, norms: NDArray[np.float32]) -> Vectors:
    """Rows over their norms; a row of zeros stays."""
    safe: NDArray[np.float32] = np.where(norms > 0, norms, 1).astype(np.float32)
    divided: Vectors = vectors / safe[:, None]
    return divided
