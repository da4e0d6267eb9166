"""Groups sequences into batches of near-equal length."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

LOGITS = 2**27
"""Logits of one forward pass that are held at once, at most (512 MiB in fp32)."""

CPU_TOKENS = 1024
"""Padded tokens of one forward pass on a CPU: more no longer fill it better, and fall out of its caches."""


PASS_TOKENS = {"cpu": 64, "cuda": 4096}
"""Tokens whose time equals a pass's fixed cost, by kind of device."""


def batches_by_length(lengths: Sequence[int], rows: int, tokens: int | None = None) -> list[list[int]]:
    """Indices in batches, longest sequences first, so that little is padding.

    Args:
        lengths: Length of each sequence.
        rows: Sequences per batch, at most, but one at least.
        tokens: Padded tokens per batch, at most; a sequence longer than that gets a batch of its own.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    batches: list[list[int]] = []
    for index in order:
        room = bool(batches) and len(batches[-1]) < rows
        if room and tokens is not None:
            room = (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= tokens
        if room:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


class Shape(NamedTuple):
    """A prompt's length, and the columns that its continuations take; only these and one more have logits."""

    prompt: int
    branches: int


class Budget(NamedTuple):
    """Limits of a batch, which has one row at least, and its fixed cost.

    Attributes:
        rows: Rows.
        tokens: Padded tokens, None for any number.
        logits: Padded places with logits.
        overhead: Tokens that take as long as a pass takes in any case.
    """

    rows: int
    tokens: int | None
    logits: int
    overhead: int


def batches_by_shape(shapes: Sequence[Shape], budget: Budget) -> list[list[int]]:
    """Indices in the cheapest batches; prompts and continuations are each padded to the longest.

    Rows are put in order by their whole length, by their prompts', and by their continuations', and the
    best places to cut each order into batches are found by dynamic programming.
    """
    everything = range(len(shapes))
    orders = (
        sorted(everything, key=lambda index: (sum(shapes[index]), shapes[index].prompt)),
        sorted(everything, key=lambda index: shapes[index]),
        sorted(everything, key=lambda index: shapes[index][::-1]),
    )
    cuts = [_cut([shapes[index] for index in order], budget) for order in orders]
    order, (_, starts) = min(zip(orders, cuts, strict=True), key=lambda each: each[1][0])
    ends = [*starts, len(order)][1:]
    return [order[start:end] for start, end in zip(starts, ends, strict=True)][::-1]


def _cut(shapes: Sequence[Shape], budget: Budget) -> tuple[int, list[int]]:
    """The least cost of batches of neighbours, in tokens, and where these batches start."""
    costs, starts = [0], [0]  # of the rows up to each: their cost, and the start of their last batch
    most = sys.maxsize if budget.tokens is None else budget.tokens
    for end, (prompt, branches) in enumerate(shapes, 1):
        best, begun = costs[-1] + prompt + branches, end - 1
        for start in range(end - 2, max(end - budget.rows, 0) - 1, -1):
            rows, (other, more) = end - start, shapes[start]
            prompt, branches = max(prompt, other), max(branches, more)
            size = rows * (prompt + branches)
            if size > most or rows * (branches + 1) > budget.logits:
                break
            if costs[start] + size < best:
                best, begun = costs[start] + size, start
        costs.append(best + budget.overhead)
        starts.append(begun)
    cuts, end = [], len(shapes)
    while end:
        end = starts[end]
        cuts.append(end)
    return costs[-1], cuts[::-1]
