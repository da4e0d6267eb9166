"""Replies that recite the training data instead of answering."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from trainables.data.examples import Example
from trainables.evaluation.contamination.words import grams, words

MOST_GRAMS = 2**20
"""N-grams that an index holds at most, about 80 MB of memory; of more training data a sample is indexed."""

_DECODED_AT_ONCE = 256


class LeakIndex:
    """Index of the training data's word n-grams, built on first use.

    It holds the hash of each n-gram, so that one in some 10^12 may be taken for another.

    Args:
        examples: What is trained on; of completions only the reply is looked at.
        tokenizer: The model's.
        n: Words in a row that make a leak.
    """

    def __init__(self, examples: Sequence[Example], tokenizer: Any, n: int) -> None:
        self._examples = examples
        self._tokenizer = tokenizer
        self._n = n
        self._known: set[int] | None = None

    def leaks(self, reply: str, allowed: Iterable[str]) -> bool:
        """Whether a reply has an n-gram of the training data that no allowed text has.

        Args:
            reply: Generated text.
            allowed: The question, and what may be said in answer to it.
        """
        said = {hash(gram) for gram in grams(words(reply), self._n)}
        if not said:
            return False
        if self._known is None:
            self._known = self._index()
        said &= self._known
        return bool(said - {hash(gram) for text in allowed for gram in grams(words(text), self._n)})

    def _index(self) -> set[int]:
        known: set[int] = set()
        # A sample from all over the data, where it is too large.
        order = np.random.Generator(np.random.PCG64(0)).permutation(len(self._examples))
        for start in range(0, len(order), _DECODED_AT_ONCE):
            chosen = [self._examples[index] for index in order[start : start + _DECODED_AT_ONCE]]
            ids = [_trained(example) for example in chosen]
            for text in self._tokenizer.batch_decode(ids, skip_special_tokens=True):
                known.update(hash(gram) for gram in grams(words(text), self._n))
                if len(known) >= MOST_GRAMS:
                    return known
        return known


def _trained(example: Example) -> list[int]:
    """The targets, and the first token if only its place keeps it from being a target."""
    mask = example.loss_mask.copy()
    mask[0] = mask[1:2].any()
    ids: list[int] = example.input_ids[mask].tolist()
    return ids
