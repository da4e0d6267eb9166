"""Batches of tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

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
