"""Warm-up, decay, and the rungs among them."""

from __future__ import annotations

from search.audit.quantity import formula, quantity

_DECAYING = ("linear", "cosine", "polynomial")


@quantity("warmup", "steps", "Steps of the warm-up.")
def _warmup(
    warmup_steps: float | None = None, warmup_share: float | None = None, total_steps: float | None = None
) -> float | None:
    if warmup_steps is not None:
        return warmup_steps
    if warmup_share is None or total_steps is None:
        return None
    return round(warmup_share * total_steps)


@quantity("warmup_of_training", "", "Warm-up as a share of the training; 1 or more where it never ends.")
def _warmup_of_training(
    warmup_share: float | None = None, warmup_steps: float | None = None, total_steps: float | None = None
) -> float | None:
    if warmup_share is not None:
        return warmup_share
    return warmup_steps / total_steps if warmup_steps is not None and total_steps else None


@quantity("rungs_inside_warmup", "rungs", "Rungs that the warm-up reaches or passes.")
def _rungs_inside_warmup(warmup_of_training: float, rungs: int, reduction_factor: float) -> int:
    return sum(reduction_factor**-power <= warmup_of_training for power in range(int(rungs)))


@quantity("decays_at_rungs", "yes or no", "Whether the learning rate falls before the last rung but one.")
def _decays_at_rungs(
    schedule: str, rungs: int, reduction_factor: float, decay_share: float | None = None
) -> bool | None:
    if rungs < 2:
        return False
    if schedule != "wsd":
        return schedule in _DECAYING
    return None if decay_share is None else 1 / reduction_factor > 1 - decay_share


formula(
    "first_rung",
    "steps",
    "Step of the first rung.",
    "max(1, round(total_steps * reduction_factor ** (1 - rungs)))",
)
formula(
    "trials_for_rungs",
    "trials",
    "Fewest trials of which a halving at every rung leaves one.",
    "reduction_factor ** (rungs - 1)",
)
