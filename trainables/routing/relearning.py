"""How soon a removed behaviour comes back when it is trained again. Light: no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_GROWTH = 1.15
"""Ratio of the steps at which the loss is measured, where they are more than a few."""


@dataclass(frozen=True)
class Relearning:
    """What it took to relearn a behaviour.

    Attributes:
        steps: Optimizer steps at the first measurement at which the loss was low enough, or all that were
            allowed.
        censored: Whether the loss never was.
        losses: Steps and loss of each measurement.
    """

    steps: int
    censored: bool
    losses: tuple[tuple[int, float], ...]

    def metrics(self, control: bool = False) -> dict[str, float]:
        """As `trainables.routing.metrics` declares them."""
        end = "_control" if control else ""
        return {
            f"relearn_steps{end}": float(self.steps),
            f"relearn_censored{end}": float(self.censored),
        }


def relearning_target(loss: float, tolerance: float) -> float:
    """The loss at which a behaviour counts as learned again.

    Args:
        loss: On held-out text with the behaviour, of the trial with both adapters.
        tolerance: `BehaviourConfig.relearn_tolerance`.
    """
    return loss * (1 + tolerance)


def relearn(step: Callable[[], object], loss: Callable[[], float], target: float, most: int) -> Relearning:
    """Trains until a loss is at its target, as a test of whether a behaviour is gone or only hidden.

    For the measure and its use see SGTM (Shilov et al., 2025, arXiv:2512.05648). The loss is measured before
    training, after each of the first steps, and then at steps that grow by 15%, which is how exact the
    result is.

    Args:
        step: Does one optimizer step on examples with the behaviour; a collective call.
        loss: Mean loss on held-out text with the behaviour, the same on every worker; a collective call.
        target: From `relearning_target`.
        most: Steps, at most.
    """
    done, losses = 0, list[tuple[int, float]]()
    for until in _measured_at(most):
        while done < until:
            step()
            done += 1
        losses.append((done, loss()))
        if losses[-1][1] <= target:
            return Relearning(done, False, tuple(losses))
    return Relearning(most, True, tuple(losses))


def _measured_at(most: int) -> Iterator[int]:
    until = 0
    while until < most:
        yield until
        until = max(until + 1, math.floor(until * _GROWTH))
    yield most
