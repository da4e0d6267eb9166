"""Held-out loss."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

from trainables.data.batches import IGNORED, collate
from trainables.data.examples import Example
from trainables.evaluation.inference.batching import LOGITS, Budget, Shape, batches_by_shape
from trainables.evaluation.inference.forward import Forward


def example_losses(
    forward: Forward, examples: Sequence[Example], *, copies: int, pad_id: int, batch_size: int
) -> list[list[float]]:
    """Loss of each example, summed over its targets, in nats, by each adapter.

    Args:
        forward: The model, in evaluation mode.
        examples: May be none.
        copies: Number of adapters.
        pad_id: Any token id; nothing sees it.
        batch_size: Rows per pass, at most, but `copies` at least.

    Returns:
        For each adapter the loss of each example.
    """
    most = min(LOGITS // int(forward.config.vocab_size), forward.tokens or LOGITS) // copies
    shapes = [Shape(len(example.input_ids), 0) for example in examples]
    losses = [[0.0] * len(examples) for _ in range(copies)]
    for batch in batches_by_shape(
        shapes, Budget(batch_size // copies, most, most, forward.overhead // copies)
    ):
        found = _losses(forward, [examples[index] for index in batch], copies, pad_id)
        for values, own in zip(losses, found.tolist(), strict=True):
            for index, value in zip(batch, own, strict=True):
                values[index] = value
    return losses


def _losses(forward: Forward, examples: Sequence[Example], copies: int, pad_id: int) -> Tensor:
    """Shape (copies, examples)."""
    batch = collate(examples, pad_id)
    # The logits at a position are for the next token, and those at the last for none.
    targets = functional.pad(batch["labels"][:, 1:], (0, 1), value=IGNORED)
    wanted = (targets != IGNORED).any(0)
    # In completions the prompt comes first, and most of the logits would be for nothing.
    last = max(1, targets.shape[1] - int(wanted.long().argmax()))
    targets = targets[:, -last:].to(forward.device).repeat(copies, 1)
    ids = batch["input_ids"].to(forward.device).repeat(copies, 1)
    logits = forward.logits(ids, [len(examples)] * copies, last)
    losses = functional.cross_entropy(
        logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED, reduction="none"
    )
    return losses.view(copies, len(examples), last).sum(-1)
