"""A document's counts for corpus BLEU, chrF and TER: they add up over documents."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

SEGMENTED = ("bleu", "chrf", "chrf++", "ter")
"""The harness's names of the figures that are made of the documents' sums."""


def reduced(aggregation: str, value: Any) -> Any:
    """A document's counts in place of its texts, or the texts where the document cannot be counted by itself.

    The harness counts with each document as many references as the one that has the fewest, so that only
    those with a single one can be distinguished from all others.

    Args:
        aggregation: The harness's name for how values become one.
        value: (reference or references, prediction), as the harness has them.
    """
    if aggregation not in SEGMENTED:
        return value
    try:
        references, prediction = _texts(value)
        return _counts(aggregation, references, prediction) if len(references) == 1 else value
    except (ArithmeticError, AttributeError, ValueError, TypeError, IndexError):
        return value  # the figure of all documents says that there is none


def sums(aggregation: str, values: Sequence[Any], groups: Sequence[int]) -> list[list[float]]:
    """The counts of all documents, and those of all but each group.

    Args:
        aggregation: One of `SEGMENTED`.
        values: Of each document what `reduced` makes of it.
        groups: The group of each document, from 0 and none without a document; may be empty.

    Returns:
        As many lists as there are groups and one more.

    Raises:
        ValueError: Some document has no such texts; or another of `reduced`'s errors.
    """
    texts = [None if _is_counted(value) else _texts(value) for value in values]
    least = min((1 if each is None else len(each[0]) for each in texts), default=0)
    rows = [
        value if each is None else _counts(aggregation, each[0][:least], each[1])
        for value, each in zip(values, texts, strict=True)
    ]
    counts: NDArray[Any] = np.array(rows)
    whole = counts.sum(axis=0)
    left: list[NDArray[Any]] = [whole]
    if groups:
        totals = np.zeros((max(groups) + 1, counts.shape[1]), dtype=counts.dtype)
        np.add.at(totals, np.array(groups), counts)
        left += list(whole - totals)
    return [each.tolist() for each in left]


def score(aggregation: str, counts: Sequence[float]) -> float:
    """The figure of these sums."""
    return float(_metric(aggregation)._compute_score_from_stats(list(counts)).score)


def _is_counted(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, int | float) for each in value)


def _texts(value: Any) -> tuple[list[str | None], str]:
    """References and prediction."""
    references, prediction = value
    if isinstance(prediction, list | tuple):
        (prediction,) = prediction
    if isinstance(references, str):
        references = [references]
    if not isinstance(prediction, str) or not references:
        raise ValueError("a document has no prediction or no reference")
    return list(references), prediction


def _counts(aggregation: str, references: Sequence[str | None], prediction: str) -> list[float]:
    metric = _metric(aggregation)
    (counts,) = metric._extract_corpus_statistics([prediction], [[each] for each in references])
    return list(counts)


@cache
def _metric(aggregation: str) -> Any:
    """sacrebleu's, with the settings of the harness."""
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF
    from sacrebleu.metrics.ter import TER

    settings = {"chrf": 0, "chrf++": 2}
    if aggregation in settings:
        return CHRF(word_order=settings[aggregation])
    return TER() if aggregation == "ter" else BLEU(force=True)  # no warnings of texts in tokens already
