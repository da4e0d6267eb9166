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
    ratios: Sequence[float],
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
        ratios: Factor on it for all but A (LoRA+, Hayou et al., 2024, arXiv:2402.12354) of each row.
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
    for row, (rate, ratio, decay) in enumerate(zip(rates, ratios, decays, strict=True)):
        whole = (arena.weights[row], grads[row], arena.first[row], arena.second[row])
        if ratio == 1 and not arena.partly_frozen(row):
            _update([whole], counts[row], rate, decay)
            continue
        layers = zip(*(arena.trained(row, each).values() for each in whole), strict=True)
        parts = [list(zip(*layer, strict=True)) for layer in layers]
        _update([a for a, *_ in parts], counts[row], rate, decay)
        _update([other for _, *others in parts for other in others], counts[row], rate * ratio, decay)


def _update(parts: Sequence[Sequence[Tensor]], step: Tensor, rate: float, decay: float) -> None:
    """Updates parts of a row, each given as its weights, gradient and both moments."""
    weights, grads, first, second = map(list, zip(*parts, strict=True))
    # One pass over the memory, which is all that this costs, where single operations take ten.
    torch._fused_adamw_(
        weights,
        grads,
        first,
        second,
        [],
        [step] * len(weights),
        lr=rate,
        beta1=BETAS[0],
        beta2=BETAS[1],
        weight_decay=decay,
        eps=EPSILON,
        amsgrad=False,
        maximize=False,
    )
