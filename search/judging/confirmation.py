"""Confirmation: what the repetitions of candidates with new seeds say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from search.config.schema import ObjectiveConfig
from search.judging.constraints import keeps_constraints
from search.judging.objectives import (
    costs_of,
    is_broken,
    is_measured,
    metrics_of,
    objectives_of,
    repetitions,
    search_trials,
)
from search.judging.pooled import PooledMean, ties
from search.judging.repeated import estimates
from search.record import SearchState, TrialState

SEED = "seed"
"""The parameter that makes trials with the same settings repetitions of each other."""


@dataclass(frozen=True)
class Candidate:
    """A trial that was repeated.

    Attributes:
        trial: Its number.
        runs: Repetitions that completed with every objective measured, by number.
        broken: Repetitions that diverged, did not fit, or tripped a guard, by number.
        missing: Repetitions that have begun and not ended, or failed.
        failed: Repetitions that ended without a value of every objective, for another reason, by number.
        estimates: Of each objective, over `runs`; empty where there are none.
        keeps: Whether the means keep every constraint and no repetition broke.
        train_seconds: Mean time in training of `runs`.
    """

    trial: int
    runs: tuple[int, ...]
    broken: tuple[int, ...]
    missing: int
    failed: tuple[int, ...] = ()
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
        tied: Numbers of the candidates that keep the constraints and do not differ from the best of them
            beyond noise, itself among them, in the order of `candidates`.
    """

    candidates: tuple[Candidate, ...]
    tied: tuple[int, ...]


def confirmation(state: SearchState) -> Confirmation | None:
    """Judges the candidates by their repetitions alone; None where no repetition has finished.

    The run that made a trial a candidate does not count: the best of many runs is lucky on average.
    """
    if state.started is None:
        return None
    objectives = objectives_of(state)
    judged = judge(state, objectives)
    if not any(candidate.runs or candidate.broken for candidate in judged):
        return None
    kept = sorted(
        (candidate for candidate in judged if candidate.keeps),
        key=lambda candidate: (costs_of(objectives, candidate.means), candidate.trial),
    )
    out = sorted((candidate for candidate in judged if not candidate.keeps), key=lambda each: each.trial)
    first = [candidate.estimates[objectives[0].metric] for candidate in kept]
    numbers = tuple(
        candidate.trial for candidate, ties_best in zip(kept, ties(first), strict=True) if ties_best
    )
    return Confirmation((*kept, *out), numbers)


def judge(
    state: SearchState, objectives: Sequence[ObjectiveConfig], with_search_runs: bool = False
) -> list[Candidate]:
    """Each trial of which a repetition has begun, by number.

    Args:
        state: A search that has begun.
        objectives: As configured.
        with_search_runs: Whether the noise between seeds is estimated from the candidates' search runs too.
            That they were chosen makes them differ more from the repetitions, so that the noise seems larger.
    """
    groups = repetitions(state)
    runs = {number: _measured(objectives, trials) for number, trials in groups.items()}
    noise_from = (
        [[state.trials[number], *trials] for number, trials in runs.items()] if with_search_runs else None
    )
    means = estimates(state, objectives, list(runs.values()), noise_from)
    return [
        _candidate(objectives, number, groups[number], trials, each)
        for (number, trials), each in zip(runs.items(), means, strict=True)
    ]


def over_seeds(state: SearchState) -> list[Candidate]:
    """The settings of a space that has seeds of its own, each as a candidate with its best trial's number.

    Empty where seeds are not searched. A setting without a run that completed is left out.

    Args:
        state: Of a search that has begun.
    """
    objectives = objectives_of(state)
    groups: dict[str, list[TrialState]] = {}
    for trial in search_trials(state):
        if SEED in trial.proposed.sampled:
            groups.setdefault(setting_of(trial), []).append(trial)
    runs = [_measured(objectives, begun) for begun in groups.values()]
    settings = []
    for begun, trials, means in zip(groups.values(), runs, estimates(state, objectives, runs), strict=True):
        if trials:
            best = min(trials, key=lambda trial: (costs_of(objectives, metrics_of(trial)), trial.number))
            settings.append(_candidate(objectives, best.number, begun, trials, means))
    return settings


def setting_of(trial: TrialState) -> str:
    """The same for trials that differ in their seed alone."""
    return repr(sorted((name, value) for name, value in trial.proposed.sampled.items() if name != SEED))


def has_no_result(objectives: Sequence[ObjectiveConfig], trial: TrialState) -> bool:
    """Whether a trial ended without a value of every objective, and did not break."""
    return trial.finished is not None and not is_broken(trial) and not _measured(objectives, [trial])


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
    means: Mapping[str, PooledMean],
) -> Candidate:
    broken = tuple(trial.number for trial in begun if is_broken(trial))
    seconds = [sum(rung.train_seconds for rung in trial.rungs) for trial in runs]
    return Candidate(
        trial=number,
        runs=tuple(trial.number for trial in runs),
        broken=broken,
        missing=len(begun) - len(runs) - len(broken),
        failed=tuple(trial.number for trial in begun if has_no_result(objectives, trial)),
        estimates=means,
        keeps=bool(runs)
        and not broken
        and keeps_constraints(objectives, {metric: each.mean for metric, each in means.items()}),
        train_seconds=sum(seconds) / len(seconds) if seconds else 0.0,
    )
