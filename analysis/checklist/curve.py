"""The training loss of one trial, point by point, and how noisy it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np
from numpy.typing import NDArray

from search.record import TrialState

Array = NDArray[np.float64]

MAD_TO_SD = 1.4826
"""Of a normal distribution, its standard deviation divided by its median absolute deviation."""

_MEDIAN_TO_MEAN = 1.2533
"""Standard error of a median divided by that of the mean, of a normal distribution."""


@dataclass(frozen=True)
class Curve:
    """Training loss over optimizer steps.

    Attributes:
        steps: Step at which each point ends, ascending.
        losses: Mean loss of the steps since the point before, finite.
        width: The most optimizer steps that one point is the mean of.
        missing: Points left out because their loss is not finite.
    """

    steps: tuple[int, ...]
    losses: Array
    width: int
    missing: int = 0

    @classmethod
    def of(cls, trial: TrialState) -> Curve:
        """The curve as recorded, over all rungs."""
        points = [point for rung in trial.rungs for point in rung.curve]
        ends = [0, *(step for step, _ in points)]
        width = max((end - begin for begin, end in pairwise(ends)), default=0)
        finite = [(step, loss) for step, loss in points if math.isfinite(loss)]
        losses = np.array([loss for _, loss in finite], dtype=np.float64)
        return cls(tuple(step for step, _ in finite), losses, width, len(points) - len(finite))

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def start(self) -> float:
        """Median of the first points."""
        return float(np.median(self.losses[:5]))

    @property
    def noise(self) -> float:
        """Standard deviation of a point around the trend, from its change to the next.

        Robust: the median absolute deviation of first differences, divided by sqrt(2).
        """
        return deviation(np.diff(self.losses)) / math.sqrt(2) if len(self) > 1 else math.nan

    def smoothed(self, reach: int = 3) -> Array:
        """Running median over `reach` points on either side, fewer at the ends."""
        losses = self.losses.tolist()  # over a few values NumPy's median takes forty times as long
        return np.array(
            [median(losses[max(0, i - reach) : i + reach + 1]) for i in range(len(self))], dtype=np.float64
        )


def deviation(values: Array) -> float:
    """Standard deviation by the median absolute deviation from the median; NaN of nothing."""
    if not len(values):
        return math.nan
    return MAD_TO_SD * float(np.median(np.abs(values - np.median(values))))


def error_of_median(deviated: float, count: int) -> float:
    """Standard error of the median of `count` values with that standard deviation."""
    return _MEDIAN_TO_MEAN * deviated / math.sqrt(count)
