"""Rows of a batch that hold one example or several, one after the other."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from trainables.data.examples import Example
from trainables.serving.base import HeldBase


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


_PROBED = 4
"""Examples of the row that the check looks at."""

_TOLERANCES = {torch.float64: (1e-9, 1e-6), torch.float32: (1e-6, 1e-4)}
_HALF = (1e-3, 0.1)
"""What rounding may change: the last example of a row where those before it change, which is nothing unless
experts get other numbers of tokens; and examples in a row against each alone."""


def fill_rows(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Examples in rows of at most `room` tokens: first fit decreasing.

    Args:
        lengths: Longest first, none above `room`.
        room: Tokens of a row.

    Returns:
        The places in `lengths` of each row's examples.
    """
    rows: list[list[int]] = []
    left: list[int] = []
    for place, length in enumerate(lengths):
        for row, space in enumerate(left):
            if length <= space:
                rows[row].append(place)
                left[row] -= length
                break
        else:
            rows.append([place])
            left.append(room - length)
    return rows


def spread_rows(lengths: Sequence[int], room: int, count: int) -> list[list[int]]:
    """Examples in exactly `count` rows of like length, none longer than `room`.

    Args:
        lengths: Longest first, none above `room`.
        room: Tokens of a row.
        count: At least the rows of `fill_rows`; there are no more rows than examples.

    Returns:
        The places in `lengths` of each row's examples, longest row first.
    """
    if not lengths:
        return []
    count = min(count, len(lengths))
    rows: list[list[int]] = [[] for _ in range(count)]
    sizes = [0] * count
    for place, length in enumerate(lengths):  # each to the row that is shortest so far
        row = min(range(count), key=sizes.__getitem__)
        rows[row].append(place)
        sizes[row] += length
    if max(sizes) > room:
        rows = fill_rows(lengths, room)
        while len(rows) < count:
            fullest = max((row for row in rows if len(row) > 1), key=len)
            rows.append([fullest.pop()])
    return sorted(rows, key=lambda row: -sum(lengths[place] for place in row))


def why_apart(base: HeldBase, examples: Sequence[Example], room: int) -> str | None:
    """Whether the model keeps the examples of a row apart, tried on some of the training data.

    The last example of a row must not change with those before it, and all must give the logits that each
    gives alone. Layers that carry a state from token to token fail the first, those that ignore positions
    the second. A collective call under ZeRO stage 3.

    Returns:
        None where it does, or why examples must not share rows.

    Raises:
        torch.OutOfMemoryError: There is no memory for one row.
    """
    row = _probe(examples, room)
    if len(row) < 2:
        return "no two examples are short enough to share a row"
    if "position_ids" not in inspect.signature(base.model.forward).parameters:
        return "this model does not accept positions"
    last = len(row[-1].input_ids)
    try:
        together, changed = _logits(base, row), _logits(base, _changed(row))
        alone = torch.cat([_logits(base, [example]) for example in row])
    except torch.OutOfMemoryError:
        raise
    except (TypeError, ValueError, IndexError, RuntimeError) as error:
        return f"this model refuses them ({(str(error).splitlines() or [''])[0][:80]})"
    leak, other = _TOLERANCES.get(alone.dtype, _HALF)
    if not _difference(together[-last:], changed[-last:]) <= leak:
        return "in this model, an example would see the examples before it in its row"
    if not _difference(together, alone) <= other:
        return "this model gives an example other numbers in a row with others"
    return None


def _probe(examples: Sequence[Example], room: int) -> list[Example]:
    """A row for the check: an example as long as goes with the shortest, and then of the shortest."""
    shortest = sorted(examples, key=lambda example: len(example.input_ids))[:_PROBED]
    left = room - len(shortest[0].input_ids)
    row = [max((each for each in examples if len(each.input_ids) <= left), key=_tokens, default=shortest[0])]
    left = room - _tokens(row[0])
    for example in shortest:
        if example is not row[0] and _tokens(example) <= left and len(row) < _PROBED:
            row.append(example)
            left -= _tokens(example)
    return row


def _tokens(example: Example) -> int:
    return len(example.input_ids)


def _changed(row: Sequence[Example]) -> list[Example]:
    """The same row with other tokens in all examples but the last."""
    tokens = 1 + max(int(example.input_ids.max()) for example in row)
    before = [Example((example.input_ids + 1) % tokens, example.loss_mask) for example in row[:-1]]
    return [*before, row[-1]]


def _difference(first: Tensor, second: Tensor) -> float:
    """Of the token that differs most: the root mean square over its logits, in their standard deviations."""
    apart = (first - second).double().square().mean(-1).sqrt()
    return float((apart / second.double().std(-1).clamp(min=1e-12)).max())


@torch.no_grad()
def _logits(base: HeldBase, row: Sequence[Example]) -> Tensor:
    """Logits of the tokens of one row, shape (tokens, vocabulary)."""
    ids = torch.from_numpy(join(row).input_ids).long()[None]
    positions = row_positions([row], ids.shape[1]).to(base.device) if len(row) > 1 else None
    return base.logits(ids.to(base.device), positions)[0]
