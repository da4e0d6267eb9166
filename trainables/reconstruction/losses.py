"""The loss of a reconstruction, and what it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from trainables.data.batches import IGNORED

SQUARES = 0.1
"""Weight of the squared error beside the cosine."""


@dataclass(frozen=True)
class Weights:
    """Weights of the terms beside the reconstruction, whose own weight is 1.

    Attributes:
        answer: Of the cross-entropy on the first answer tokens.
        distillation: Of the divergence from the model that reads the text.
    """

    answer: float
    distillation: float


class Terms(NamedTuple):
    """Terms of the loss before they are weighted, each of shape (examples,)."""

    reconstruction: Tensor
    answer: Tensor
    distillation: Tensor

    def weighted(self, weights: Weights) -> Terms:
        """The terms as they are added up. One of weight 0 is 0, whatever it is before."""
        return Terms(
            self.reconstruction,
            _times(weights.answer, self.answer),
            _times(weights.distillation, self.distillation),
        )

    @property
    def total(self) -> Tensor:
        """Their sum, shape (examples,)."""
        return self.reconstruction + self.answer + self.distillation

    @property
    def shares(self) -> tuple[float, float, float]:
        """Share of each in the sum over all examples; of the weighted terms, of what is learned from."""
        sums = [float(term.detach().sum()) for term in self]
        total = sum(sums)
        first, second, third = (value / total if total else 0.0 for value in sums)
        return first, second, third


def _times(weight: float, term: Tensor) -> Tensor:
    return term * weight if weight else torch.zeros_like(term)


def reconstruction_losses(
    rebuilt: Tensor, real: Tensor, lengths: Sequence[int], mean_square: float
) -> Tensor:
    """1 - cosine + 0.1 x squared error, the mean over each example's tokens, shape (examples,).

    The squared error is in units of real embeddings' mean square, so that it weighs the same in models whose
    embeddings are a hundred times smaller.

    Args:
        rebuilt: Embeddings of all examples one after another, without padding, shape (tokens, width).
        real: What they are to be, same shape.
        lengths: Tokens of each example, at least 1.
        mean_square: Of the elements of real embeddings.
    """
    real = real.to(rebuilt.dtype)
    cosine = functional.cosine_similarity(rebuilt, real, dim=-1)
    squares = (rebuilt - real).square().mean(-1) / mean_square
    each = 1 - cosine + SQUARES * squares
    return torch.stack([part.mean() for part in torch.split(each, list(lengths))])


def answer_losses(logits: Tensor, answers: Tensor) -> Tensor:
    """Cross-entropy of answer tokens in nats, the mean over each example's, shape (examples,).

    Args:
        logits: From which each token is predicted, shape (examples, tokens, vocabulary).
        answers: Token ids of answers alone, `IGNORED` after their end, shape (examples, tokens).
    """
    precise = logits.to(torch.promote_types(logits.dtype, torch.float32))
    flat = functional.cross_entropy(
        precise.flatten(0, 1), answers.flatten(), ignore_index=IGNORED, reduction="none"
    )
    return flat.view(answers.shape).sum(-1) / (answers != IGNORED).sum(-1).clamp(min=1)


def distillation_losses(logits: Tensor, teacher: Tensor, answers: Tensor) -> Tensor:
    """Divergence KL(teacher || model) in nats, the mean over each example's answer tokens.

    Args:
        logits: Of the model that reads rebuilt embeddings, shape (examples, tokens, vocabulary).
        teacher: Of the model that reads the text, same shape.
        answers: See `answer_losses`; its tokens are not used, but which of them there are.
    """
    known = torch.promote_types(logits.dtype, torch.float32)
    wanted = functional.log_softmax(teacher.to(known), dim=-1)
    given = functional.log_softmax(logits.to(known), dim=-1)
    each = (wanted.exp() * (wanted - given)).sum(-1)
    there = answers != IGNORED
    return (each * there).sum(-1) / there.sum(-1).clamp(min=1)
