"""AdamW over the adapters of a pack: one update of all rows, every trial by its own numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trainables.lora.arena import Arena
from trainables.lora.transfer import to_device

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
    most = torch.tensor([clip or float("inf") for clip in clips], dtype=norms.dtype)
    done = torch.tensor([step + 1 for step in steps], dtype=torch.float32)
    limits, counts = to_device([most, done], norms.device)
    grads = arena.grads[: len(steps), : arena.columns]
    if any(clips):
        grads.mul_((limits / (norms + 1e-6)).clamp(max=1.0)[:, None])
    for row, (rate, decay) in enumerate(zip(rates, decays, strict=True)):
        # One pass over the memory, which is all that this costs, where single operations take ten.
        torch._fused_adamw_(
            [arena.weights[row]],
            [grads[row]],
            [arena.first[row]],
            [arena.second[row]],
            [],
            [counts[row]],
            lr=rate,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=decay,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )
