"""Loss spikes: a training loss far above what it has been."""

from __future__ import annotations

import math
from dataclasses import dataclass

_DECAY = 0.95
"""Weight of the past in the mean, which thus spans about 20 steps."""

_GRACE = 10
"""Steps before anything counts as a spike: means of fewer are mostly noise."""

_FLOOR = 1.0
"""Nats per token that the lowest value counts as, at least.

Near 0 the ratio of two losses says nothing: once a model has learned its examples by heart, a single harder
one multiplies the mean. A floor that is added to the lowest value would let losses of every size rise further
than the configured multiple; this one leaves those above it alone.
"""


@dataclass
class SmoothedLoss:
    """Exponential mean of a training loss, corrected for its start from 0, and its lowest value so far.

    With m_t = 0.95 m_(t-1) + 0.05 loss_t, the mean is m_t / (1 - 0.95^t) (Kingma and Ba, 2015,
    arXiv:1412.6980, section 3). That of the first few steps may be low by chance alone: as a lowest value
    it counts (1 + 1/t) times, so that a jump right at the start is still noticed, if it is large.

    Attributes:
        steps: Number of losses.
        mean: Mean after the last of them.
        lowest: Lowest of the means before the last of them, as they count.
    """

    steps: int = 0
    mean: float = math.nan
    lowest: float = math.inf
    _moment: float = 0.0

    def add(self, loss: float) -> None:
        """Takes the next step's mean loss, in nats per token."""
        if self.steps:
            self.lowest = min(self.lowest, self.mean * (1 + 1 / self.steps))
        self.steps += 1
        self._moment = _DECAY * self._moment + (1 - _DECAY) * loss
        self.mean = self._moment / (1 - _DECAY**self.steps)

    def spikes(self, factor: float) -> bool:
        """Whether the mean has risen above `factor` times its lowest value."""
        return self.steps >= _GRACE and self.mean > factor * max(self.lowest, _FLOOR)

    def rise(self, factor: float) -> str:
        """The rise in words, for one that is a spike."""
        floor = f", counted as {_FLOOR:g}" if self.lowest < _FLOOR else ""
        return (
            f"loss spike: the smoothed training loss rose to {self.mean:.3g}, more than {factor:g} times its "
            f"lowest value {self.lowest:.3g}{floor},"
        )
