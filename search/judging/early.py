"""Whether trials are measured at rungs before their last: only where stopping there can save enough.

A rung stops about a quarter of the trials (`search.judging.foresight`), some of which would have been among
the best, and of stopped trials a searcher learns less. On curves whose measurement takes a tenth of the rest
of a trial's training, searches without early measurements were ahead at every budget; where it takes a
fifteenth or less, those with them at 10 trainings, and both were level afterwards
(docs/decisions/0012-prior.md). So `budget.early_ratio` is 10.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from search.config.schema import ObjectiveConfig, SearchConfig
from search.judging.objectives import values_of
from search.judging.rungs import rungs_of
from search.record import RungReached, SearchState, TrialState
from search.schedulers import SCHEDULERS
from trainables.messages import EarlyRungs
from trainables.trainable import BASE

NOT_MEASURED = "not measured here: that takes too long for what stopping could save (budget.early_ratio)"
"""Why a trial goes on where it was not."""


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
    early, full = state.early_evaluations, list(state.full_evaluations)
    if not full and BASE in state.baselines and all(metric.at == "every" for metric in config.metrics):
        full = [state.baselines[BASE].seconds]
    seconds, most_seconds = (median(taken) if taken else None for taken in (early, full))
    return EarlyRungs(full_steps, config.budget.early_ratio, seconds, most_seconds)


def is_ranked(objectives: Sequence[ObjectiveConfig], rung: RungReached) -> bool:
    """Whether the rung has what trials are ranked by, such as the training loss alone."""
    return rung.measured or all(objective.metric in rung.metrics for objective in objectives)


def ranked_values(
    objectives: Sequence[ObjectiveConfig], rungs: Sequence[RungReached]
) -> tuple[tuple[float, ...], ...]:
    """The objectives at each rung up to the last that is ranked; NaN where they were not measured."""
    ranked = [number for number, rung in enumerate(rungs, 1) if is_ranked(objectives, rung)]
    return tuple(values_of(objectives, rung.metrics) for rung in rungs[: max(ranked, default=0)])
