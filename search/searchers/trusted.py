"""Rungs that say something of the end, so that being stopped there does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from search.config.schema import ObjectiveConfig
from search.judging.foresight import agreement
from search.searchers.base import TrialOutcome
from search.searchers.lessons import valued

_MOST_TRAINED = 100
_LEAST_AGREEMENT = 0.79
"""Just below what is held of a rung of which nothing is known yet."""


def trusted(objectives: Sequence[ObjectiveConfig], outcomes: Sequence[TrialOutcome]) -> list[bool]:
    """Whether a searcher should be told of each trial.

    Of one that was stopped, only as long as its last rung predicts the end: as long as at least about 8
    of 10 pairs of trained trials were in the same order there. A rung that misleads stops good trials, and
    who learns from that stays away from good regions; nothing is lost by forgetting such a trial.

    Args:
        objectives: As configured.
        outcomes: Of all finished trials.

    Returns:
        One for each outcome.
    """
    pairs: dict[int, list[tuple[Sequence[float], Sequence[float]]]] = {}
    completed = [outcome for outcome in outcomes if outcome.values is not None][-_MOST_TRAINED:]
    for outcome in completed:
        if valued(objectives, outcome.rungs[-1]).values is None:
            continue
        for rung, values in enumerate(outcome.rungs[:-1]):
            if valued(objectives, values).values is not None:
                pairs.setdefault(rung, []).append((values, outcome.rungs[-1]))
    misleading = {
        rung for rung, found in pairs.items() if agreement(*np.array(found).swapaxes(0, 1)) < _LEAST_AGREEMENT
    }
    return [
        outcome.status != "stopped" or not outcome.rungs or len(outcome.rungs) - 1 not in misleading
        for outcome in outcomes
    ]
