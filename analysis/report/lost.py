"""Knowledge or format of one skill: how far each fell from the base model, and which was lost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from analysis.investigate.knowledge import what_was_lost
from analysis.investigate.results import Lost
from analysis.report.statistics import Estimate, mean
from trainables.interval import Z

if TYPE_CHECKING:
    from analysis.investigate.study import Measured

LostOrUnknown: TypeAlias = Lost | Literal["unknown"]
GENERATION, LIKELIHOOD = "generation", "likelihood"


@dataclass(frozen=True)
class Shifts:
    """Mean changes of accuracy from the base model, with their 95% intervals.

    Attributes:
        gap: Change by generation less that by likelihood.
        of: What the intervals are over.
        unread: Change of the share of replies that could not be read; None where that is not known.
    """

    generation: Estimate
    likelihood: Estimate
    gap: Estimate
    of: Literal["items", "trials"]
    unread: Estimate | None = None

    @property
    def lost(self) -> LostOrUnknown:
        """Which was lost, by the rule of the investigation."""
        return what_was_lost(self.generation, self.likelihood, self.gap, self.unread) or "unknown"


def over_items(base: Measured, tuned: Sequence[Measured], skill: str) -> Shifts | None:
    """Paired with the base model item by item, of the mean over the tuned models.

    Returns:
        None where the answers to the same items are not known of all.
    """
    keys = ((skill, GENERATION), (skill, LIKELIHOOD))
    for key in keys:
        theirs = base.answers.get(key)
        if theirs is None or not tuned or not len(theirs.items):
            return None
        if not all(key in model.answers and model.answers[key].same_items(theirs) for model in tuned):
            return None
    generation, likelihood = (
        np.mean([model.answers[key].right.astype(np.float64) for model in tuned], axis=0)
        - base.answers[key].right.astype(np.float64)
        for key in keys
    )
    if generation.shape != likelihood.shape:
        return None
    unread = (
        np.mean([~model.answers[keys[0]].read for model in tuned], axis=0, dtype=np.float64)
        - ~base.answers[keys[0]].read
    )
    gap = _mean(generation - likelihood)
    return Shifts(_mean(generation), _mean(likelihood), gap, "items", _mean(unread))


def over_trials(base: tuple[float, float], trials: Sequence[tuple[float, float]]) -> Shifts:
    """Of trials as wholes; no interval of a single one.

    Args:
        base: Accuracy of the base model by generation, and by likelihood.
        trials: The same of each trial.
    """
    changes = [(trial[0] - base[0], trial[1] - base[1]) for trial in trials]
    return Shifts(
        mean([before for before, _ in changes]),
        mean([other for _, other in changes]),
        mean([before - other for before, other in changes]),
        "trials",
    )


def _mean(changes: NDArray[np.float64]) -> Estimate:
    """Normal interval over items, with one more that changed by 1: no change at all is not taken for sure."""
    n, middle = len(changes), float(changes.mean())
    half = Z * math.sqrt(float(((changes - middle) ** 2).sum()) + 1) / n
    return Estimate(middle, middle - half, middle + half, n)
