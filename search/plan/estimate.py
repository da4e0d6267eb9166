"""Estimated time of a whole search, from what a trial takes."""

from __future__ import annotations

from dataclasses import fields

from search.config.schema import SearchConfig
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
    full = config.budget.full_steps if steps is None else steps.mean
    rungs = [share * full for share in config.budget.shares]
    counts = [at - before for before, at in zip((0, *rungs), rungs, strict=False)]
    alone = [count * costs.step_seconds + evaluation for count in counts]
    work = [count * costs.shared_step_seconds + evaluation for count in counts]
    trial, whole = sum(alone) + costs.extra_seconds, sum(work) + costs.extra_seconds
    likely = costs.extra_seconds
    likely += sum(seconds / config.budget.eta**rung for rung, seconds in enumerate(work))
    if not SCHEDULERS[config.scheduler.name].stops:
        likely = whole
    groups = slots.groups or 1
    baselines = costs.baseline_seconds * len({*config.baselines} - {BASE}) / groups
    fixed = STARTUP_SECONDS + costs.preparation_seconds + evaluation + baselines
    repeated = repetitions(config, number)
    confirmation = max(repeated * whole / groups, trial) if repeated else 0.0
    # However many groups there are, a trial takes its own time.
    fewest = fixed + max(number * (work[0] + costs.extra_seconds) / groups, alone[0] + costs.extra_seconds)
    expected, most = (
        fixed + max(number * seconds / groups, trial) + confirmation for seconds in (likely, whole)
    )
    gpus = slots.gpus * slots.workers_per_group * groups
    return SearchEstimate(
        **{field.name: getattr(costs, field.name) for field in fields(UnitCosts)},
        trial_seconds=trial,
        fewest_seconds=fewest,
        likely_seconds=expected,
        most_seconds=most,
        confirmation_seconds=confirmation,
        gpu_hours=expected * gpus / 3600,
    )


def repetitions(config: SearchConfig, number: int) -> int:
    """Most repetitions of candidates where there are `number` trials."""
    return min(config.confirm.candidates, number) * config.confirm.seeds
