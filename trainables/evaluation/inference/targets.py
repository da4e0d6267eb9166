"""Probabilities of target tokens from a pass's logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Tokens = Sequence[int]


class Continuation(NamedTuple):
    """Log-probability of a continuation under a model.

    Attributes:
        value: Its log-probability in nats, summed over its tokens.
        greedy: Whether each of its tokens is the most probable where it stands.
        body: Like `value`, without its last token: of a whole reply what stands before its end.
    """

    value: float
    greedy: bool
    body: float


@dataclass(frozen=True)
class Targets:
    """Texts, and where a pass gives the probabilities of their tokens.

    Attributes:
        wanted: Places (row x columns + column of the logits) that anything is asked of, shape (places,).
        asked: Index in `wanted` for each token of each text, shape (texts, longest), int64.
        tokens: Its id, same shape.
        real: False where it is padding, same shape, bool.
    """

    wanted: Tensor
    asked: Tensor
    tokens: Tensor
    real: Tensor

    @classmethod
    def of(cls, texts: Sequence[Tokens], places: Sequence[Sequence[int]]) -> Targets:
        """Targets of texts, none empty, with the place of each of their tokens."""
        wanted = np.array(sorted({place for each in places for place in each}))
        tokens, real = _padded(texts)
        asked = np.searchsorted(wanted, _padded(places)[0])
        return cls(*(torch.from_numpy(array) for array in (wanted, asked, tokens, real)))

    def to(self, device: torch.device) -> Targets:
        """The same on a device."""
        return Targets(*(part.to(device) for part in (self.wanted, self.asked, self.tokens, self.real)))

    def score(self, logits: Tensor, copies: int) -> list[list[Continuation]]:
        """Scores by adapter and text.

        Args:
            logits: Shape (copies x rows, columns, vocabulary).
            copies: Number of adapters.
        """
        wanted = logits.reshape(copies, -1, logits.shape[-1])[:, self.wanted]
        log_probabilities = wanted.float().log_softmax(-1)
        best = log_probabilities.amax(-1)[:, self.asked]
        values = log_probabilities[:, self.asked, self.tokens]
        missed = (~(values >= best) & self.real).any(-1)
        sums = values.masked_fill(~self.real, 0.0).sum(-1)
        more = functional.pad(self.real[:, 1:], (0, 1))  # another token follows
        bodies = values.masked_fill(~more, 0.0).sum(-1)
        return [
            [Continuation(value, not miss, body) for value, miss, body in zip(*adapter, strict=True)]
            for adapter in zip(sums.tolist(), missed.tolist(), bodies.tolist(), strict=True)
        ]


def _padded(rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Rows padded with their first entry, and which entries are no padding."""
    width = max(len(row) for row in rows)
    values = [[*row, *[row[0]] * (width - len(row))] for row in rows]
    lengths = np.array([len(row) for row in rows])
    return np.array(values, np.int64), np.arange(width) < lengths[:, None]
