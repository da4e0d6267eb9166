"""The objectives of a recorded search, and what a trial's measurements say about them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from search.config.schema import ObjectiveConfig
from search.judging.constraints import keeps_constraints
from search.record import SearchState, TrialState


def objectives_of(state: SearchState) -> tuple[ObjectiveConfig, ...]:
    """The objectives as configured, the first being the one that is optimised within the constraints."""
    if state.started is None:
        return ()
    return tuple(ObjectiveConfig.model_validate(item) for item in state.started.config["objectives"])


def search_trials(state: SearchState) -> list[TrialState]:
    """Trials that are not repetitions of others, by number."""
    return sorted(
        (trial for trial in state.trials.values() if trial.confirms is None), key=lambda trial: trial.number
    )


def repetitions(state: SearchState) -> dict[int, list[TrialState]]:
    """What confirmation has begun: the repetitions of each candidate by its number, both ascending."""
    groups: dict[int, list[TrialState]] = {}
    for trial in sorted(state.trials.values(), key=lambda trial: trial.number):
        if trial.confirms is not None:
            groups.setdefault(trial.confirms, []).append(trial)
    return dict(sorted(groups.items()))


def completed_trials(state: SearchState) -> list[TrialState]:
    """Trials of the search phase that reached the full budget, by number; no repetitions."""
    return [trial for trial in search_trials(state) if trial.status == "completed" and trial.last is not None]


def metrics_of(trial: TrialState) -> Mapping[str, float]:
    """What the trial measured last, at a rung; empty before that."""
    return trial.measured.metrics if trial.measured else {}


def values_of(objectives: Sequence[ObjectiveConfig], metrics: Mapping[str, float]) -> tuple[float, ...]:
    """The objectives' values in the configured order; NaN for one that was not measured."""
    return tuple(metrics.get(objective.metric, math.nan) for objective in objectives)


def is_measured(objectives: Sequence[ObjectiveConfig], metrics: Mapping[str, float]) -> bool:
    """Whether every objective has a finite value."""
    return all(map(math.isfinite, values_of(objectives, metrics)))


def is_broken(trial: TrialState) -> bool:
    """Whether the trial diverged, did not fit, or tripped a guard, at the last rung too."""
    ended = trial.finished
    if ended is None or ended.status == "failed":
        return False
    return ended.status in ("diverged", "infeasible") or ended.failure_class is not None


def to_costs(objectives: Sequence[ObjectiveConfig], values: Iterable[float]) -> tuple[float, ...]:
    """The objectives' values turned so that lower is better, or such costs back into values."""
    return tuple(objective.cost(value) for objective, value in zip(objectives, values, strict=True))


def costs_of(objectives: Sequence[ObjectiveConfig], metrics: Mapping[str, float]) -> tuple[float, ...]:
    """The objectives' values in the configured order, each turned so that lower is better."""
    return to_costs(objectives, values_of(objectives, metrics))


def rank_trials(objectives: Sequence[ObjectiveConfig], trials: Sequence[TrialState]) -> list[TrialState]:
    """The trials that keep every constraint by their measured values and are not broken, best first.

    They are ordered by the first objective; ties by those that follow, then by number.
    """
    kept = [
        trial
        for trial in trials
        if is_measured(objectives, metrics_of(trial))
        and keeps_constraints(objectives, metrics_of(trial))
        and not is_broken(trial)
    ]
    return sorted(kept, key=lambda trial: (costs_of(objectives, metrics_of(trial)), trial.number))
