"""What the repetitions of candidates say: means, intervals, and who differs from the best beyond noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from search.config.schema import ObjectiveConfig
from search.judging.objectives import (
    cost,
    is_broken,
    is_measured,
    keeps_constraints,
    metrics_of,
    objectives_of,
    repetitions,
    values_of,
)
from search.judging.student import t_quantile
from search.record import SearchState, TrialState


@dataclass(frozen=True)
class Estimate:
    """A mean over repetitions.

    Attributes:
        n: Number of repetitions.
        error: Standard error of the mean; None where no candidate has two repetitions.
        half: Half the width of the mean's 95% interval; None likewise.
    """

    mean: float
    n: int
    error: float | None = None
    half: float | None = None


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
    estimates: Mapping[str, Estimate] = field(default_factory=dict)
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


def confirmation(state: SearchState) -> Confirmation | None:
    """Judges the candidates by their repetitions alone, or None where none has finished.

    The run by which a candidate was chosen is left out: the best of many runs is lucky on average.
    """
    groups = repetitions(state)
    if state.started is None or not groups:
        return None
    objectives = objectives_of(state)
    seeds: int = state.started.config["confirm"]["seeds"]
    runs = {number: _measured(objectives, trials) for number, trials in groups.items()}
    estimates, freedom = estimate(objectives, [[metrics_of(run) for run in of] for of in runs.values()])
    found = [
        _candidate(objectives, number, groups[number], of, own, seeds)
        for (number, of), own in zip(runs.items(), estimates, strict=True)
    ]
    if not any(candidate.runs or candidate.broken for candidate in found):
        return None
    found.sort(key=lambda one: (not one.keeps, _order(objectives, one) if one.keeps else (), one.trial))
    kept = [candidate for candidate in found if candidate.keeps]
    same = not_beyond_noise([one.estimates[objectives[0].metric] for one in kept], freedom)
    tied = tuple(one.trial for one, close in zip(kept, same, strict=True) if close)
    return Confirmation(tuple(found), seeds, freedom, tied)


def estimate(
    objectives: Sequence[ObjectiveConfig], groups: Sequence[Sequence[Mapping[str, float]]]
) -> tuple[list[dict[str, Estimate]], int]:
    """Means of each group with t-intervals; the variance within groups is pooled over them.

    With n_i runs of group i and mean m_i: s^2 = sum (x_ij - m_i)^2 / sum (n_i - 1), and the 95% interval is
    m_i +- t(0.975) s / sqrt(n_i), t with sum (n_i - 1) degrees of freedom.

    Args:
        objectives: Those to estimate.
        groups: The runs' metrics; every objective is finite in each.

    Returns:
        One estimate per objective for each group, empty for a group without runs; and the degrees of
        freedom.
    """
    freedom = sum(max(0, len(runs) - 1) for runs in groups)
    found: list[dict[str, Estimate]] = [{} for _ in groups]
    for objective in objectives:
        columns = [[run[objective.metric] for run in runs] for runs in groups]
        means = [math.fsum(column) / len(column) if column else math.nan for column in columns]
        squares = math.fsum(
            (value - mean) ** 2 for column, mean in zip(columns, means, strict=True) for value in column
        )
        for own, column, mean in zip(found, columns, means, strict=True):
            if not column:
                continue
            error = math.sqrt(squares / freedom / len(column)) if freedom else None
            half = None if error is None else t_quantile(0.975, freedom) * error
            own[objective.metric] = Estimate(mean, len(column), error, half)
    return found, freedom


def not_beyond_noise(estimates: Sequence[Estimate], freedom: int) -> list[bool]:
    """Which means do not differ from the first beyond noise; the first, which is the best, does not.

    The two-sided 95% t-interval of the difference contains 0; with k comparisons each is made at
    1 - 0.05 / k (Bonferroni), so that all hold together with 95%. Where the noise is not known, only equal
    means are the same.

    Args:
        estimates: Of one objective, with the pooled variance of `estimate`.
        freedom: Its degrees of freedom.
    """
    if len(estimates) < 2 or not freedom:
        return [own.mean == estimates[0].mean for own in estimates]
    best = estimates[0]
    quantile = t_quantile(1 - 0.025 / (len(estimates) - 1), freedom)
    return [
        own is best or abs(own.mean - best.mean) <= quantile * math.hypot(own.error or 0.0, best.error or 0.0)
        for own in estimates
    ]


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
    estimates: Mapping[str, Estimate],
    seeds: int,
) -> Candidate:
    broken = tuple(trial.number for trial in begun if is_broken(trial))
    means = {metric: own.mean for metric, own in estimates.items()}
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


def _order(objectives: Sequence[ObjectiveConfig], candidate: Candidate) -> tuple[float, ...]:
    values = values_of(objectives, candidate.means)
    return tuple(cost(objective, value) for objective, value in zip(objectives, values, strict=True))
