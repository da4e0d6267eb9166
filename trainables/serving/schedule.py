"""Learning-rate schedules, as a pure function of the step."""

from __future__ import annotations

import math

from trainables.parameters import TrainingParameters


def warmup_steps(params: TrainingParameters, total: int) -> int:
    """Steps of the linear warm-up: `warmup` is a share of `total` below 1, else a number of steps."""
    if params.warmup < 1:
        return round(params.warmup * total)
    return min(round(params.warmup), total)


def learning_rate(params: TrainingParameters, step: int, total: int) -> float:
    """Learning rate of one optimizer step.

    Args:
        params: The trial's parameters.
        step: 0-based step, below `total`.
        total: Steps of the full budget, whatever the rung that the trial is trained to.

    Returns:
        A rate in (0, params.lr]; the first step of a warm-up is `lr / warmup_steps`.
    """
    warm = warmup_steps(params, total)
    if step < warm:
        return params.lr * (step + 1) / warm
    after = (step - warm) / max(1, total - warm)
    match params.schedule:
        case "constant":
            return params.lr
        case "linear":
            return params.lr * (1 - after)
        case "cosine":
            return params.lr * (1 + math.cos(math.pi * after)) / 2
        case "wsd":
            tail = min(round(params.decay * total), total - warm)
            left = total - step
            return params.lr * min(1.0, left / tail) if tail else params.lr
