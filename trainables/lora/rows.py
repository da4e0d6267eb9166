"""Rows of a batch that hold one example or several, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from trainables.data.examples import Example


def join(examples: Sequence[Example]) -> Example:
    """Examples as one; the first token of each is no target, for nothing in its own example predicts it."""
    if len(examples) == 1:
        return examples[0]
    masks = [example.loss_mask.copy() for example in examples]
    for mask in masks:
        mask[:1] = False
    return Example(np.concatenate([example.input_ids for example in examples]), np.concatenate(masks))


def row_positions(rows: Sequence[Sequence[Example]], length: int) -> Tensor:
    """Positions that begin anew with each example, and with the padding behind them.

    `transformers` takes a position that does not follow the one before it for the beginning of another
    document, and masks attention accordingly.

    Returns:
        int64, shape (rows, length).
    """
    positions = np.empty((len(rows), length), dtype=np.int64)
    for row, examples in enumerate(rows):
        lengths = [len(example.input_ids) for example in examples]
        lengths.append(length - sum(lengths))
        positions[row] = np.concatenate([np.arange(each) for each in lengths])
    return torch.from_numpy(positions)
