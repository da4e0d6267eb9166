"""Embeddings and the head of a model for another tokenizer, from those that it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainables.adaptation.fallbacks import Fallback, Unmatched
from trainables.adaptation.strings import Vocabulary


@dataclass(frozen=True, eq=False)
class Tables:
    """What a model has a row of for each token.

    Attributes:
        embeddings: Shape (tokens, hidden).
        head: Likewise; None where the embeddings are the head, too.
        bias: Of the head, shape (tokens,); None without one.
    """

    embeddings: Tensor
    head: Tensor | None = None
    bias: Tensor | None = None

    @classmethod
    def of(cls, model: Any) -> Tables:
        """A causal language model's own."""
        embeddings: nn.Module = model.get_input_embeddings()
        head: nn.Module = model.get_output_embeddings()
        weight = embeddings.weight
        assert isinstance(weight, Tensor)
        assert isinstance(head.weight, Tensor)
        bias = getattr(head, "bias", None)
        tied = head.weight is weight
        return cls(
            weight.detach(), None if tied else head.weight.detach(), None if bias is None else bias.detach()
        )


@dataclass(frozen=True, eq=False)
class Initialisation:
    """How the rows of another vocabulary are made.

    Attributes:
        sources: The source token of each target token, -1 for none, shape (target tokens,).
        target: The target vocabulary.
        source: The source vocabulary.
        tokenizer: The source tokenizer, of `transformers`.
        fallback: For tokens without a source token.
    """

    sources: NDArray[np.int64]
    target: Vocabulary
    source: Vocabulary
    tokenizer: Any
    fallback: Fallback

    def tables(self, base: Tables) -> Tables:
        """The tables for the target vocabulary, of the same kind, on the same device and of the same type."""
        head = None if base.head is None else self._rows(base.head)
        return Tables(self._rows(base.embeddings), head, None if base.bias is None else self._rows(base.bias))

    def _rows(self, table: Tensor) -> Tensor:
        if self.target == self.source:
            return table.clone()  # with the rows that belong to no token, which take part in the softmax
        device = table.device
        rows = table[torch.from_numpy(np.maximum(self.sources, 0)).to(device)]
        missing = np.flatnonzero(self.sources < 0)
        if len(missing):
            unmatched = Unmatched(
                [self.target.keys[index] for index in missing], self.tokenizer, self._used(len(table))
            )
            rows[torch.from_numpy(missing).to(device)] = self.fallback(unmatched, table)
        return rows

    def _used(self, rows: int) -> Sequence[int]:
        return [index for index, key in enumerate(self.source.keys[:rows]) if key is not None]
