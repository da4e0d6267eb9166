"""Next-token cross-entropy."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from trainables.data.batches import IGNORED


def token_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of every next token in nats, in fp32 or better; 0 where the label is `IGNORED`.

    Args:
        logits: Shape (batch, length, vocabulary).
        labels: Token ids or `IGNORED`, shape (batch, length), not shifted.

    Returns:
        Shape (batch, length - 1).
    """
    # The last position predicts nothing; to ignore it is cheaper than to cut it off, which copies the logits.
    targets = functional.pad(labels[:, 1:], (0, 1), value=IGNORED)
    precise = logits.to(torch.promote_types(logits.dtype, torch.float32))
    losses = functional.cross_entropy(
        precise.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="none"
    )
    return losses.view(targets.shape)[:, :-1]
