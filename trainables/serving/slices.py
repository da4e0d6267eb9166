"""What training measures on a trial's way from one rung to the next."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from trainables.errors import DivergedError, SpikeError, TrainableError
from trainables.serving.spike import SmoothedLoss


@dataclass
class Slice:
    """What training measured between two rungs.

    Attributes:
        losses: Mean loss of each optimizer step.
        targets: Target tokens of each.
        seconds: This trial's share of the time spent: that of a pack is divided among its trials.
        tokens: Tokens of its batches, over all workers and without padding.
        passed: Tokens of this worker's passes that it took part in, with padding.
        padding: Those of them that were padding.
        passes: Number of those passes.
        partners: Trials in them, summed over the passes.
        smoothed: The training loss since the slice began, to tell a spike by. It begins anew with every
            slice, so that a trial does the same whether its worker still holds it or reads its adapter.
    """

    losses: list[float] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    seconds: float = 0.0
    tokens: int = 0
    passed: int = 0
    padding: int = 0
    passes: int = 0
    partners: int = 0
    smoothed: SmoothedLoss = field(default_factory=SmoothedLoss)

    @property
    def mean_loss(self) -> float:
        """Mean over target tokens; NaN where no step was done."""
        total = sum(self.targets)
        return (
            sum(a * b for a, b in zip(self.losses, self.targets, strict=True)) / total
            if total
            else float("nan")
        )

    def curve(self, first_step: int, points: int = 50) -> list[tuple[int, float]]:
        """At most `points` pairs of (step, mean loss of the steps since the last pair)."""
        width = -(-len(self.losses) // points) if self.losses else 1
        pieces = [self.losses[i : i + width] for i in range(0, len(self.losses), width)]
        ends = [min((i + 1) * width, len(self.losses)) for i in range(len(pieces))]
        return [(first_step + end, sum(piece) / len(piece)) for end, piece in zip(ends, pieces, strict=True)]


def unsound(part: Slice, step: int, norm: float, loss: float, spike: float | None) -> TrainableError | None:
    """Why a trial must not go on, from what every worker knows of its step.

    Args:
        part: The trial's slice, which takes note of the loss.
        step: The step, from 1.
        norm: Norm of the gradient.
        loss: Mean loss of the step's batch.
        spike: A trial fails where its smoothed loss rises to this multiple of its lowest; None lets it.
    """
    if not (math.isfinite(norm) and math.isfinite(loss)):
        return DivergedError(f"loss {loss:g}, gradient norm {norm:g} at step {step}")
    part.smoothed.add(loss)
    if spike is None or not part.smoothed.spikes(spike):
        return None
    return SpikeError(f"{part.smoothed.rise(spike)} at step {step}")
