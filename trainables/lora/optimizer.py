"""AdamW over the adapters of a pack: one update of all rows, every trial by its own numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trainables.lora.arena import Arena
from trainables.lora.transfer import to_device

_PIECE = {"cpu": 2**20, "cuda": 2**24}
"""Entries that are updated at once: what is computed in between is then small beside the weights."""

BETAS = (0.9, 0.999)
EPSILON = 1e-8


def clip_and_update(
    arena: Arena,
    steps: Sequence[int],
    rates: Sequence[float],
    decays: Sequence[float],
    clips: Sequence[float],
    norms: Tensor,
) -> None:
    """One step of AdamW (arXiv:1711.05101) on the first rows of the arena, as `torch.optim.AdamW` does it.

    Rows do not touch one another: each is clipped by the norm of its own gradient, and corrected for
    the bias of its own number of steps. Rows after the given ones neither move nor decay.

    Args:
        arena: Holds weights, gradients and moments.
        steps: 0-based step of each row.
        rates: Learning rate of each row.
        decays: Decoupled weight decay of each row.
        clips: Largest gradient norm of each row; 0 is off.
        norms: Gradient norm of each row, shape (rows,).
    """
    rows = len(steps)
    by_row = [
        [clip or float("inf") for clip in clips],
        [1 - rate * decay for rate, decay in zip(rates, decays, strict=True)],
        [(1 - BETAS[1] ** (step + 1)) ** 0.5 for step in steps],
        [rate / (1 - BETAS[0] ** (step + 1)) for rate, step in zip(rates, steps, strict=True)],
    ]
    (columns,) = to_device([torch.tensor(by_row, dtype=torch.float64).to(norms.dtype)], norms.device)
    limits, kept, root, sizes = columns[..., None]
    scales = (limits / (norms[:, None] + 1e-6)).clamp(max=1.0) if any(clips) else None
    width = max(1, _PIECE.get(norms.device.type, _PIECE["cuda"]) // rows)
    for start in range(0, arena.columns, width):
        own = slice(start, min(start + width, arena.columns))
        weights, grads, first, second = (
            part[:rows, own] for part in (arena.weights, arena.grads, arena.first, arena.second)
        )
        if scales is not None:
            grads.mul_(scales)
        if any(decays):
            weights.mul_(kept)
        first.lerp_(grads, 1 - BETAS[0])
        second.mul_(BETAS[1]).addcmul_(grads, grads, value=1 - BETAS[1])
        weights.sub_(sizes * first / (second.sqrt().div_(root).add_(EPSILON)))
