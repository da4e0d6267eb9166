"""Cross-entropy from hidden states, through the logits of some tokens at a time.

The idea is that of the fused linear cross-entropy of Liger Kernel (Hsu et al., 2024, arXiv:2410.10989): the
gradient of the hidden states is computed in the forward pass, chunk by chunk, so that no more than one
chunk's logits are ever there. Here the head is frozen, so that nothing else needs a gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from trainables.data.batches import IGNORED

Project = Callable[[Tensor], Tensor]
"""From hidden states, shape (tokens, hidden), to logits, shape (tokens, vocabulary), each token by itself."""


@dataclass(frozen=True)
class NextTokens:
    """The tokens that a pass has to predict.

    Attributes:
        places: Where each is predicted, as row x length + column, increasing, shape (targets,), int64.
        tokens: Its id, same shape, int64.
    """

    places: Tensor
    tokens: Tensor

    @classmethod
    def of(cls, labels: Tensor) -> NextTokens:
        """Those that `labels` name: token ids or `IGNORED`, shape (rows, length), not shifted."""
        following = functional.pad(labels[:, 1:], (0, 1), value=IGNORED).flatten()
        places = (following != IGNORED).nonzero()[:, 0]
        return cls(places, following[places])

    def to(self, device: torch.device) -> NextTokens:
        """The same on a device."""
        return NextTokens(self.places.to(device), self.tokens.to(device))

    def losses(self, logits: Tensor) -> Tensor:
        """Cross-entropy of these tokens in nats, in fp32 or better; 0 at other places.

        Args:
            logits: Of all tokens, shape (rows, length, vocabulary).

        Returns:
            Shape (rows, length).
        """
        rows, length, _ = logits.shape
        targets = self.tokens.new_full((rows * length,), IGNORED)
        targets[self.places] = self.tokens
        precise = logits.flatten(0, 1).to(torch.promote_types(logits.dtype, torch.float32))
        losses = functional.cross_entropy(precise, targets, ignore_index=IGNORED, reduction="none")
        return losses.view(rows, length)


def chunked_losses(project: Project, hidden: Tensor, wanted: NextTokens, chunk: int) -> Tensor:
    """Cross-entropy of the wanted tokens in nats, in fp32 or better; 0 at other places.

    Args:
        project: From hidden states to logits; nothing in it gets a gradient.
        hidden: Shape (rows, length, hidden).
        wanted: What is to be predicted.
        chunk: Tokens whose logits are there at once, at most.

    Returns:
        Shape (rows, length).
    """
    losses = _Losses.apply(hidden, wanted.places, wanted.tokens, project, chunk)  # type: ignore[no-untyped-call]
    return cast(Tensor, losses)


class _Losses(torch.autograd.Function):
    """Losses, with the gradient of their sum; a loss's own gradient is a factor of its token's."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, places: Tensor, tokens: Tensor, project: Project, chunk: int
    ) -> Tensor:
        flat = hidden.reshape(-1, hidden.shape[-1])
        precise = torch.promote_types(hidden.dtype, torch.float32)
        losses = hidden.new_zeros(len(flat), dtype=precise)
        grads = flat.new_empty(len(places), flat.shape[-1]) if ctx.needs_input_grad[0] else None
        # Chunks of one size: a last one of few tokens would be slow.
        chunks = -(-len(places) // chunk)
        size = -(-len(places) // max(1, chunks))
        for start in range(0, len(places), size or 1):
            span = slice(start, start + size)
            losses[places[span]] = _chunk(project, flat[places[span]], tokens[span], precise, grads, span)
        ctx.save_for_backward(places, grads)
        ctx.shape = hidden.shape
        return losses.view(hidden.shape[:-1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        places, grads = ctx.saved_tensors
        total = grads.new_zeros(grad.numel(), grads.shape[-1])
        # The factor stays in fp32: rounded to half precision it would scale all of a row's gradient.
        total.index_copy_(0, places, grads).mul_(grad.reshape(-1, 1))
        return total.view(ctx.shape), None, None, None, None


def _chunk(
    project: Project, hidden: Tensor, tokens: Tensor, precise: torch.dtype, grads: Tensor | None, span: slice
) -> Tensor:
    """Losses of some tokens, shape (tokens,); their gradients go into these rows of `grads`."""
    with torch.set_grad_enabled(grads is not None):
        hidden.requires_grad_(grads is not None)
        logits = project(hidden)
    with torch.no_grad():
        scores = torch.log_softmax(logits.detach(), -1, dtype=precise)
        losses = -scores.gather(1, tokens[:, None])[:, 0]
        if grads is not None:
            scores.exp_()
            scores.scatter_add_(1, tokens[:, None], -torch.ones_like(scores[:, :1]))
            grads[span] = torch.autograd.grad(logits, hidden, scores.to(logits.dtype))[0]
    return losses
