"""How much of a target vocabulary has a source token."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainables.adaptation.alignment import Alignment


class Coverage(NamedTuple):
    """Shares that add up to 1.

    Attributes:
        same: Of tokens that stand for the same text as a source token.
        aligned: Of other tokens that are aligned with one.
        fallback: Of the rest.
    """

    same: float
    aligned: float
    fallback: float


def coverage(alignment: Alignment, threshold: float, counts: NDArray[np.int64] | None = None) -> Coverage:
    """How tokens get their rows.

    Args:
        alignment: Of the target vocabulary.
        threshold: Least similarity of an aligned token.
        counts: How often each token occurs in the corpus, shape (target tokens,), at least one of them;
            None counts each token once.
    """
    weights = np.ones(len(alignment.same), dtype=np.int64) if counts is None else counts
    same = alignment.same >= 0
    aligned = ~same & (alignment.sources(threshold) >= 0)
    parts = (float(weights[part].sum() / weights.sum()) for part in (same, aligned, ~(same | aligned)))
    return Coverage(*parts)
