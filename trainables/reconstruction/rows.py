"""Rows of prompts whose embeddings are given, laid out for a pass of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from trainables.data.batches import IGNORED


@dataclass(frozen=True)
class Rows:
    """Prompts of a batch, padded on the left, so that what follows them is aligned.

    Attributes:
        embeddings: Shape (rows, length, width); padding is 0.
        mask: 1 where a row has a token, 0 where it is padded, shape (rows, length), int64.
    """

    embeddings: Tensor
    mask: Tensor

    def followed_by(self, embeddings: Tensor, mask: Tensor) -> Rows:
        """The same with more tokens after them, padded on the right."""
        return Rows(torch.cat([self.embeddings, embeddings], dim=1), torch.cat([self.mask, mask], dim=1))


def padded_left(texts: Sequence[Tensor]) -> Rows:
    """Rows of embeddings of unequal lengths, each of shape (tokens, width) with at least one token."""
    lengths = torch.tensor([len(text) for text in texts], device=texts[0].device)
    width = int(lengths.max())
    padded = torch.stack([functional.pad(text, (0, 0, width - len(text), 0)) for text in texts])
    there = torch.arange(width, device=lengths.device) >= width - lengths[:, None]
    return Rows(padded, there.long())


def answer_tensor(answers: Sequence[Sequence[int]], first: int, device: torch.device) -> Tensor:
    """The first tokens of each answer, `IGNORED` after its end, shape (answers, at most `first`), int64."""
    width = min(first, max(map(len, answers)))
    rows = [[*answer[:width], *[IGNORED] * (width - len(answer))] for answer in answers]
    return torch.tensor(rows, device=device)
