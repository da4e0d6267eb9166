"""How good an alignment is, on tokens whose source is known and on text."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainables.adaptation.alignment import align, anchors_of
from trainables.adaptation.similarities import Similarity
from trainables.adaptation.streams import TokenStream
from trainables.adaptation.vectors import TokenVectors

_FOLDS = 4


class Hits(NamedTuple):
    """Held-out tokens whose most similar source token is the one for the same text.

    Attributes:
        right: Their number.
        n: Of all that were held out.
    """

    right: int
    n: int


def heldout_top1(
    target: TokenVectors,
    source: TokenVectors,
    same: NDArray[np.int64],
    similarity: Similarity,
    seed: int = 0,
) -> Hits:
    """Aligns a quarter of the shared tokens by the others, among all source tokens.

    Args:
        target: Vectors of target tokens.
        source: Of source tokens.
        same: As `Alignment.same`.
        similarity: Registered in `SIMILARITIES`.
        seed: Of the choice of tokens.

    Raises:
        UserError: Too few tokens are left to learn from.
    """
    shared = target.ids[anchors_of(target, source, same).target]
    shuffled = np.random.default_rng(seed).permutation(shared)
    heldout, kept = np.split(shuffled, [len(shared) // _FOLDS])
    alignment = align(target, source, same, similarity, np.sort(kept))
    return Hits(int((alignment.nearest[heldout] == same[heldout]).sum()), len(heldout))


def bleu1(target: TokenStream, source: TokenStream, sources: NDArray[np.int64]) -> float:
    """BLEU-1 (Papineni et al., 2002) of documents in target tokens mapped to source tokens.

    The reference is what the source tokenizer makes of the same document. Precision is clipped within each
    document and summed over all; a token that is mapped to none is wrong.

    Args:
        target: Documents in target tokens, at least one token.
        source: The same documents in source tokens.
        sources: The source token of each target token, -1 for none, shape (target tokens,).

    Returns:
        Between 0 and 1.
    """
    mapped = sources[target.ids]
    mine, counts = _by_document(target, mapped)
    theirs, references = _by_document(source, source.ids.astype(np.int64))
    _, left, right = np.intersect1d(mine, theirs, assume_unique=True, return_indices=True)
    precision = float(np.minimum(counts[left], references[right]).sum()) / len(mapped)
    brevity = min(1.0, math.exp(1 - len(source.ids) / len(mapped)))
    return brevity * precision


def _by_document(stream: TokenStream, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each pair of a document and an id of it as one number, and how often it occurs; ids below 0 do not."""
    document = np.repeat(np.arange(len(stream.starts) - 1), np.diff(stream.starts))
    pairs = (document << 32 | ids)[ids >= 0]
    unique, counts = np.unique(pairs, return_counts=True)
    return unique, counts
