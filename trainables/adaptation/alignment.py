"""Which source token each target token is most alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainables.adaptation.similarities import Anchors, Features, Similarity
from trainables.adaptation.vectors import TokenVectors, Vectors
from trainables.errors import UserError

BLOCK = 256, 1024
"""Target and source tokens whose similarities are there at once: 1 MiB, which a core's cache holds."""

LEAST_ANCHORS = 32
"""Fewer fit a rotation to chance."""


class Nearest(NamedTuple):
    """The most similar source row of each target row.

    Attributes:
        rows: Shape (target rows,), int64; the first of equally similar ones.
        similarities: Shape (target rows,).
    """

    rows: NDArray[np.int64]
    similarities: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Alignment:
    """The most similar source token of each target token.

    Attributes:
        same: The source token for the same text, -1 where there is none, shape (target tokens,), int64.
        nearest: The most similar source token, -1 where a target token has no vector, same shape.
        similarities: How similar it is, between -1 and 1; -inf without one, same shape.
    """

    same: NDArray[np.int64]
    nearest: NDArray[np.int64]
    similarities: NDArray[np.float32]

    def sources(self, threshold: float) -> NDArray[np.int64]:
        """The source token that each target token is mapped to, -1 for none, shape (target tokens,).

        The one for the same text, else the most similar one where it is at least as similar as `threshold`.
        """
        near = np.where(self.similarities >= threshold, self.nearest, -1)
        return np.where(self.same >= 0, self.same, near)


def align(
    target: TokenVectors,
    source: TokenVectors,
    same: NDArray[np.int64],
    similarity: Similarity,
    anchors: NDArray[np.int64] | None = None,
) -> Alignment:
    """Aligns tokens by a similarity that is learned from those that both vocabularies share.

    Args:
        target: Vectors of target tokens.
        source: Of source tokens.
        same: As `Alignment.same`.
        similarity: Registered in `SIMILARITIES`.
        anchors: Target tokens to learn from; None: all that are shared.

    Raises:
        UserError: Too few of these have vectors in both vocabularies.
    """
    pairs = anchors_of(target, source, same, anchors)
    refuse_few_anchors(len(pairs.target))
    features = similarity(target.values, source.values, pairs)
    near = nearest(features)
    aligned = np.full(len(same), -1, dtype=np.int64)
    similarities = np.full(len(same), -np.inf, dtype=np.float32)
    aligned[target.ids] = source.ids[near.rows]
    similarities[target.ids] = near.similarities
    return Alignment(same, aligned, similarities)


def refuse_few_anchors(count: int) -> None:
    """Refuses to align tokens by too few that both vocabularies share.

    Raises:
        UserError: There are fewer than `LEAST_ANCHORS`.
    """
    if count < LEAST_ANCHORS:
        raise UserError(
            f"only {count} tokens of both tokenizers are frequent in the training corpus; "
            f"at least {LEAST_ANCHORS} are needed to align the others.",
            hint="Give a larger corpus, or a target tokenizer with the base's normalisation.",
        )


def anchors_of(
    target: TokenVectors,
    source: TokenVectors,
    same: NDArray[np.int64],
    tokens: NDArray[np.int64] | None = None,
) -> Anchors:
    """Rows of the tokens that both vocabularies share and that have vectors in both.

    Args:
        target: Vectors of target tokens.
        source: Of source tokens.
        same: As `Alignment.same`.
        tokens: Target tokens to choose from; None: all.
    """
    tokens = np.flatnonzero(same >= 0) if tokens is None else tokens
    left, right = target.rows_of(tokens), source.rows_of(same[tokens])
    both = (left >= 0) & (right >= 0) & (same[tokens] >= 0)
    return Anchors(left[both], right[both])


def nearest(features: Features, block: tuple[int, int] = BLOCK) -> Nearest:
    """The most similar source row of each target row, without the whole matrix of similarities.

    Args:
        features: Their inner products are similarities.
        block: Target and source rows whose similarities are there at once.
    """
    count = len(features.target)
    rows = np.zeros(count, dtype=np.int64)
    best = np.full(count, -np.inf, dtype=np.float32)
    room = np.empty(block, dtype=np.float32)
    for first in range(0, count, block[0]):
        part = slice(first, min(first + block[0], count))
        for start in range(0, len(features.source), block[1]):
            _improve(
                features.target[part],
                features.source[start : start + block[1]],
                start,
                room,
                rows[part],
                best[part],
            )
    return Nearest(rows, np.clip(best, -1, 1))


def _improve(
    target: Vectors,
    source: Vectors,
    start: int,
    room: Vectors,
    rows: NDArray[np.int64],
    best: NDArray[np.float32],
) -> None:
    """Takes the source rows from `start` on into account, in place."""
    scores = np.matmul(
        target, source.T, out=room.ravel()[: len(target) * len(source)].reshape(len(target), -1)
    )
    columns = scores.argmax(axis=1)
    values = scores[np.arange(len(target)), columns]
    better = values > best
    rows[better], best[better] = start + columns[better], values[better]
