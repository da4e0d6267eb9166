"""Confirmation: which trials are trained again with new seeds, and what their repetitions say."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from search.config.schema import ObjectiveConfig, SearchConfig
from search.judging.constraints import keeps_constraints
from search.judging.contrasts import contrast
from search.judging.objectives import (
    completed_trials,
    costs_of,
    is_broken,
    is_measured,
    metrics_of,
    objectives_of,
    rank_trials,
    repetitions,
)
from search.judging.pooled import PooledMean, pooled_means, ties
from search.judging.recorded_series import measured_series
from search.record import SearchState, TrialState
from search.seeds import derived_seed

SEED = "seed"
"""The parameter that makes trials with the same settings repetitions of each other."""
FURTHER = 3
"""Most candidates, as a multiple of the configured number, where none of the first holds up."""


@dataclass(frozen=True)
class Repeat:
    """A trial to be trained again.

    Attributes:
        trial: Number of the trial that is repeated.
        seed: Seed of the repetition, in [0, 2**31).
    """

    trial: int
    seed: int


@dataclass(frozen=True)
class Candidate:
    """A trial that was repeated.

    Attributes:
        trial: Its number.
        runs: Repetitions that completed with every objective measured, by number.
        broken: Repetitions that diverged, did not fit, or tripped a guard, by number.
        missing: Repetitions that are still to come, or were cut off.
        estimates: Of each objective, over `runs`; empty where there are none.
        keeps: Whether the means keep every constraint and no repetition broke.
        train_seconds: Mean time in training of `runs`.
    """

    trial: int
    runs: tuple[int, ...]
    broken: tuple[int, ...]
    missing: int
    estimates: Mapping[str, PooledMean] = field(default_factory=dict)
    keeps: bool = False
    train_seconds: float = 0.0

    @property
    def means(self) -> dict[str, float]:
        """Mean of each objective."""
        return {metric: estimate.mean for metric, estimate in self.estimates.items()}


@dataclass(frozen=True)
class Confirmation:
    """The candidates of a search.

    Attributes:
        candidates: Those that keep the constraints first, by their mean of the first objective, best
            first; then the others by number.
        seeds: Repetitions that each was to have.
        freedom: Degrees of freedom of the variance within candidates; 0 where it is not known.
        tied: Numbers of the candidates that keep the constraints and do not differ from the best of them
            beyond noise, itself among them, in the order of `candidates`.
    """

    candidates: tuple[Candidate, ...]
    seeds: int
    freedom: int
    tied: tuple[int, ...]


def candidates(config: SearchConfig, state: SearchState) -> list[TrialState]:
    """The trials to train again: the best of the search phase by `rank_trials`, best first.

    Of many trials near a bound, the best keep it by luck. While repetitions rule out every candidate, the
    next trial becomes a candidate too, up to `FURTHER` times the configured number.
    """
    ordered = rank_trials(config.objectives, completed_trials(state))[: FURTHER * config.confirm.candidates]
    count, out = config.confirm.candidates, _ruled_out(state)
    while count < len(ordered) and all(trial.number in out for trial in ordered[:count]):
        count += 1
    return ordered[:count]


def next_repeat(config: SearchConfig, state: SearchState) -> Repeat | None:
    """The repetition to begin now, or None where all are there; every candidate's first comes first."""
    if config.confirm.candidates == 0:
        return None
    begun = Counter(trial.confirms for trial in state.trials.values() if trial.confirms is not None)
    chosen = candidates(config, state)
    for index in range(config.confirm.seeds):
        for trial in chosen:
            if begun[trial.number] <= index:
                return Repeat(trial.number, _seed(config.seed, trial.number, index))
    return None


def confirmation(state: SearchState) -> Confirmation | None:
    """Judges the candidates by their repetitions alone; None where no repetition has finished.

    The run that made a trial a candidate does not count: the best of many runs is lucky on average.
    """
    groups = repetitions(state)
    if state.started is None or not groups:
        return None
    objectives = objectives_of(state)
    seeds: int = state.started.config["confirm"]["seeds"]
    runs = {number: _measured(objectives, trials) for number, trials in groups.items()}
    means, freedom = pooled_means(objectives, [list(map(metrics_of, trials)) for trials in runs.values()])
    judged = [
        _candidate(
            objectives, number, groups[number], trials, _with_items(state, trials, estimates, freedom), seeds
        )
        for (number, trials), estimates in zip(runs.items(), means, strict=True)
    ]
    if not any(candidate.runs or candidate.broken for candidate in judged):
        return None
    kept = sorted(
        (candidate for candidate in judged if candidate.keeps),
        key=lambda candidate: (costs_of(objectives, candidate.means), candidate.trial),
    )
    out = sorted((candidate for candidate in judged if not candidate.keeps), key=lambda each: each.trial)
    tied = ties([candidate.estimates[objectives[0].metric] for candidate in kept], freedom)
    numbers = tuple(candidate.trial for candidate, ties_best in zip(kept, tied, strict=True) if ties_best)
    return Confirmation((*kept, *out), seeds, freedom, numbers)


def over_seeds(state: SearchState, completed: Sequence[TrialState]) -> list[Candidate]:
    """The settings of a space that has seeds of its own, each as a candidate with its best trial's number.

    Empty where seeds are not searched, or no two trials differ in them alone. A setting with a single run has
    no mean and is left out.

    Args:
        state: Of a search that has begun.
        completed: Its trials at the full budget.
    """
    objectives = objectives_of(state)
    groups: dict[str, list[TrialState]] = {}
    for trial in _measured(objectives, completed):
        sampled = trial.proposed.sampled
        if SEED in sampled:
            others = repr(sorted((name, value) for name, value in sampled.items() if name != SEED))
            groups.setdefault(others, []).append(trial)
    runs = [trials for trials in groups.values() if len(trials) > 1]
    estimates, freedom = pooled_means(objectives, [list(map(metrics_of, trials)) for trials in runs])
    settings = []
    for trials, means in zip(runs, estimates, strict=True):
        best = min(trials, key=lambda trial: (costs_of(objectives, metrics_of(trial)), trial.number))
        widened = _with_items(state, trials, means, freedom)
        settings.append(_candidate(objectives, best.number, trials, trials, widened, len(trials)))
    return settings


def _ruled_out(state: SearchState) -> set[int]:
    """Trials of which every repetition has ended, and whose repetitions break a constraint."""
    confirmed = confirmation(state)
    if confirmed is None:
        return set()
    return {each.trial for each in confirmed.candidates if not (each.keeps or each.missing)}


def _seed(seed: int, trial: int, index: int) -> int:
    return derived_seed(seed, "confirm", trial, index) % 2**31


def _with_items(
    state: SearchState, runs: Sequence[TrialState], means: Mapping[str, PooledMean], freedom: int
) -> dict[str, PooledMean]:
    """The means with the noise of the items in their intervals too: seeds that agree exactly leave it.

    Their errors, by which candidates are compared, stay those between seeds: all answer the same items.
    """
    rungs = [trial.last for trial in runs if trial.last is not None]
    widened = {}
    for metric, pooled in means.items():
        if pooled.error is not None:
            series = measured_series(state, metric, 1.0, rungs, 0)
            low, high = contrast(0.0, [series], seeds=(pooled.error**2 * pooled.n, freedom)).interval()
            half = max(pooled.mean - low, high - pooled.mean)
            # Runs that agree exactly, of a metric without items, do not tell the noise.
            pooled = replace(pooled, half=half if math.isfinite(half) else None)
        widened[metric] = pooled
    return widened


def _measured(objectives: Sequence[ObjectiveConfig], trials: Sequence[TrialState]) -> list[TrialState]:
    return [
        trial
        for trial in trials
        if trial.status == "completed" and not is_broken(trial) and is_measured(objectives, metrics_of(trial))
    ]


def _candidate(
    objectives: Sequence[ObjectiveConfig],
    number: int,
    begun: Sequence[TrialState],
    runs: Sequence[TrialState],
    estimates: Mapping[str, PooledMean],
    seeds: int,
) -> Candidate:
    broken = tuple(trial.number for trial in begun if is_broken(trial))
    means = {metric: pooled.mean for metric, pooled in estimates.items()}
    seconds = [sum(rung.train_seconds for rung in trial.rungs) for trial in runs]
    return Candidate(
        trial=number,
        runs=tuple(trial.number for trial in runs),
        broken=broken,
        missing=max(0, seeds - len(runs) - len(broken)),
        estimates=estimates,
        keeps=bool(runs) and not broken and keeps_constraints(objectives, means),
        train_seconds=sum(seconds) / len(seconds) if seconds else 0.0,
    )
