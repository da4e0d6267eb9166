"""Batches of examples: their order, their tensors and their loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from trainables.data.examples import Example

IGNORED = -100
"""Label of tokens that are no target, as in `transformers`."""


def collate(examples: Sequence[Example], pad_id: int) -> dict[str, Tensor]:
    """Pads examples on the right to the longest.

    Returns:
        `input_ids`, `attention_mask` and `labels` (`IGNORED` where the token is no target), each of
        shape (examples, longest) and int64.
    """
    shape = (len(examples), max(len(example.input_ids) for example in examples))
    input_ids = torch.full(shape, pad_id, dtype=torch.int64)
    attention_mask = torch.zeros(shape, dtype=torch.int64)
    labels = torch.full(shape, IGNORED, dtype=torch.int64)
    for row, example in enumerate(examples):
        ids = torch.from_numpy(example.input_ids).long()
        input_ids[row, : len(ids)] = ids
        attention_mask[row, : len(ids)] = 1
        labels[row, : len(ids)] = ids.masked_fill(~torch.from_numpy(example.loss_mask), IGNORED)
    return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}


class DataOrder:
    """Shuffled batches as a pure function of the step, so that training resumes at any step.

    Every epoch visits each example once, in an order of its own; a batch may run across the end of an
    epoch. The order is the argsort of 64-bit words that PCG64 draws from (seed, epoch): numpy
    guarantees that stream across versions, unlike those of its distributions.

    Args:
        seed: The trial's seed.
        examples: Number of examples, at least 1.
        batch_size: Examples per optimizer step, at least 1; it may exceed `examples`.
    """

    def __init__(self, seed: int, examples: int, batch_size: int) -> None:
        if examples < 1 or batch_size < 1:
            raise ValueError(f"examples and batch_size must be 1 or more, got {examples} and {batch_size}")
        self.seed = seed
        self.examples = examples
        self.batch_size = batch_size
        self._kept: tuple[int, NDArray[np.int64]] | None = None

    def batch(self, step: int) -> NDArray[np.int64]:
        """Indices of the examples of optimizer step `step` (from 0), shape (batch_size,)."""
        first = step * self.batch_size
        places = np.arange(first, first + self.batch_size)
        epochs, offsets = np.divmod(places, self.examples)
        parts = [self._epoch(int(epoch))[offsets[epochs == epoch]] for epoch in np.unique(epochs)]
        return np.concatenate(parts)

    def _epoch(self, epoch: int) -> NDArray[np.int64]:
        if self._kept is None or self._kept[0] != epoch:
            words = np.random.PCG64([self.seed, epoch]).random_raw(self.examples)
            self._kept = (epoch, np.argsort(words, kind="stable"))
        return self._kept[1]


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
