"""The same documents as tokens of one tokenizer or another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

_AT_ONCE = 1024


@dataclass(frozen=True, eq=False)
class TokenStream:
    """Documents as token ids, one after another, without special tokens.

    Attributes:
        ids: Shape (tokens,), int32.
        starts: Where each document begins, and the end of the last, shape (documents + 1,), int64.
        size: Ids of the vocabulary.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    size: int

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """How often each token occurs, shape (size,)."""
        return np.bincount(self.ids, minlength=self.size).astype(np.int64)

    def documents(self) -> Iterator[NDArray[np.int32]]:
        """The ids of each document."""
        for start, end in zip(self.starts[:-1], self.starts[1:], strict=True):
            yield self.ids[start:end]

    @classmethod
    def of(cls, tokenizer: Any, documents: Sequence[str], size: int) -> TokenStream:
        """Encodes documents.

        Args:
            tokenizer: Of `transformers`.
            documents: Their texts.
            size: Ids of its vocabulary.
        """
        parts: list[NDArray[np.int32]] = []
        for first in range(0, len(documents), _AT_ONCE):
            texts = list(documents[first : first + _AT_ONCE])
            encoded = tokenizer(texts, add_special_tokens=False)["input_ids"]
            parts += [np.asarray(ids, dtype=np.int32) for ids in encoded]
        lengths = np.array([0, *map(len, parts)], dtype=np.int64)
        ids = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int32)
        return cls(ids, np.cumsum(lengths), size)
