"""Whether trials are measured at rungs before their last: only where stopping there can save enough.

A rung stops about a quarter of the trials (`search.judging.foresight`), some of which would have been among
the best, and of stopped trials a searcher learns less. On recorded curves whose measurement takes a tenth of
the rest of a trial's training, searches without early measurements were ahead at every budget; where it takes
a fifteenth or less, those with them (docs/decisions/0012-prior.md). So `budget.early_ratio` is 10.
"""

from __future__ import annotations

import math
from itertools import islice
from statistics import median

from search.config.schema import SearchConfig
from search.judging.rungs import rungs_of
from search.record import SearchState, TrialState
from search.schedulers import SCHEDULERS
from trainables.messages import EarlyRungs
from trainables.trainable import BASE

NOT_MEASURED = "not measured here: that takes too long for what stopping could save (budget.early_ratio)"
"""Why a trial goes on where it was not."""

_NEWEST = 50
"""Trials whose measurements say what one takes."""


def measures_everywhere(config: SearchConfig) -> bool:
    """Whether every trial is measured at every rung."""
    budget = config.budget
    return budget.early_ratio == 0 or budget.rungs == 1 or not SCHEDULERS[config.scheduler.name].stops


def early_rungs(config: SearchConfig, state: SearchState, trial: TrialState) -> EarlyRungs | None:
    """What decides where a trial is measured before its last rung; None: it is at every rung."""
    if measures_everywhere(config):
        return None
    full_steps = rungs_of(config.budget, trial)[-1]
    if trial.confirms is not None:  # nothing ranks repetitions
        return EarlyRungs(full_steps, math.inf)
    early: list[float] = []
    full: list[float] = []
    for other in islice(reversed(state.trials.values()), _NEWEST):
        for rung in other.rungs:
            if rung.measured:
                (full if rung.rung + 1 == config.budget.rungs else early).append(rung.eval_seconds)
    if not full and BASE in state.baselines:
        full = [state.baselines[BASE].seconds]
    return EarlyRungs(
        full_steps,
        config.budget.early_ratio,
        median(early) if early else None,
        median(full) if full else None,
    )
