"""Estimated time of a whole search, from what a trial takes."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise
from typing import NamedTuple

from search.config.schema import SearchConfig
from search.judging.early import measures_everywhere
from search.plan.model import SearchEstimate, Slots
from search.schedulers import SCHEDULERS
from search.trial_steps import TrialSteps
from trainables.planning import Costs, UnitCosts
from trainables.trainable import BASE

STARTUP_SECONDS = 15.0
"""Ray, the workers' imports and the process group."""


def estimate(
    config: SearchConfig, costs: Costs, number: int, slots: Slots, steps: TrialSteps | None = None
) -> SearchEstimate:
    """Estimates a search.

    Args:
        config: The search.
        costs: What a trial takes.
        number: Number of trials.
        slots: What they run on.
        steps: The steps of trials, where each has its own number; a trial is then one of their mean.
    """
    evaluation = costs.evaluation_seconds
    slices = _slices(config, costs, config.budget.full_steps if steps is None else steps.mean)
    whole = sum(part.shared for part in slices) + costs.extra_seconds
    trial = sum(part.alone for part in slices) + costs.extra_seconds
    least = next(number for number, part in enumerate(slices, 1) if part.is_measured)
    first, first_alone = (
        sum(getattr(part, name) for part in slices[:least]) + costs.extra_seconds
        for name in ("shared", "alone")
    )
    likely, left = costs.extra_seconds, 1.0
    for part in slices:
        likely += left * part.shared
        left /= config.budget.eta if part.is_measured else 1
    if not SCHEDULERS[config.scheduler.name].stops:
        likely = whole
    groups = slots.groups or 1
    baselines = costs.baseline_seconds * len({*config.baselines} - {BASE}) / groups
    fixed = STARTUP_SECONDS + costs.preparation_seconds + evaluation + baselines
    repeated = repetitions(config, number)
    early = 0.0 if measures_everywhere(config) else evaluation * sum(part.is_measured for part in slices[:-1])
    confirmation = max(repeated * (whole - early) / groups, trial - early) if repeated else 0.0
    # However many groups there are, a trial takes its own time.
    fewest = fixed + max(number * first / groups, first_alone)
    expected, most = (
        fixed + max(number * seconds / groups, trial) + confirmation for seconds in (likely, whole)
    )
    gpus = slots.gpus * slots.workers_per_group * groups
    return SearchEstimate(
        **{field.name: getattr(costs, field.name) for field in fields(UnitCosts)},
        trial_seconds=trial,
        evaluations=sum(part.is_measured for part in slices),
        fewest_seconds=fewest,
        likely_seconds=expected,
        most_seconds=most,
        confirmation_seconds=confirmation,
        gpu_hours=expected * gpus / 3600,
    )


class _Slice(NamedTuple):
    """What a trial takes from one rung to the next, alone and as its share of what slots train together."""

    alone: float
    shared: float
    is_measured: bool


def _slices(config: SearchConfig, costs: Costs, full: float) -> list[_Slice]:
    rungs = [share * full for share in config.budget.shares]
    everywhere, ratio = measures_everywhere(config), config.budget.early_ratio
    slices = []
    for before, at in pairwise((0.0, *rungs)):
        left = (full - at) * costs.shared_step_seconds
        measured = everywhere or at == rungs[-1] or left >= ratio * costs.evaluation_seconds
        evaluation = costs.evaluation_seconds if measured else 0.0
        alone, shared = (
            (at - before) * seconds + evaluation
            for seconds in (costs.step_seconds, costs.shared_step_seconds)
        )
        slices.append(_Slice(alone, shared, measured))
    return slices


def repetitions(config: SearchConfig, number: int) -> int:
    """Most repetitions of candidates where there are `number` trials."""
    return min(config.confirm.candidates, number) * config.confirm.seeds
