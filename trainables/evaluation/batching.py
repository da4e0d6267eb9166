"""Groups sequences into batches of near-equal length."""

from __future__ import annotations

from collections.abc import Sequence

LOGITS = 2**27
"""Logits of one forward pass that are held at once, at most (512 MiB in fp32)."""

CPU_TOKENS = 1024
"""Padded tokens of one forward pass on a CPU: more no longer fill it better, and fall out of its caches."""


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
