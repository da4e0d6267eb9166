"""Estimates over repetitions: means with intervals over the seeds and over the items, within their bounds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from search.config.schema import ObjectiveConfig
from search.judging.contrasts import Contrast, contrast
from search.judging.moderated import moderated
from search.judging.noise import Seeds, Series, combination
from search.judging.pooled import PooledMean, pooled_variance
from search.judging.recorded_series import measured_series
from search.record import SearchState, TrialState
from search.record.explained import metric_of, trainable_of


def estimates(
    state: SearchState,
    objectives: Sequence[ObjectiveConfig],
    groups: Sequence[Sequence[TrialState]],
    told_by: Sequence[Sequence[TrialState]] | None = None,
) -> list[dict[str, PooledMean]]:
    """Mean of each objective over each group's runs.

    Args:
        state: A search that has begun.
        objectives: Whose means are wanted.
        groups: Runs that differ in their seed alone; every objective is finite in each. May be empty.
        told_by: Other runs of the same groups, by which the noise between seeds is known.

    Returns:
        The means of each group by metric; empty for a group without runs.
    """
    means: list[dict[str, PooledMean]] = [{} for _ in groups]
    for objective in objectives:
        measured = measured_means(state, objective.metric, groups, told_by)
        for group, each in zip(means, measured, strict=True):
            if each is not None:
                group[objective.metric] = _within(state, objective.metric, each)
    return means


def measured_means(
    state: SearchState,
    metric: str,
    groups: Sequence[Sequence[TrialState]],
    told_by: Sequence[Sequence[TrialState]] | None = None,
) -> list[Contrast | None]:
    """The mean of a metric over each group's runs, with its noise; None for a group without runs."""
    series = [_series(state, metric, runs) for runs in groups]
    if told_by is None:
        return of_series(series)
    others = [_series(state, metric, runs) for runs in told_by]
    return of_series(series, [each for each, own in zip(others, series, strict=True) if own is not None])


def of_series(
    series: Sequence[Series | None], told_by: Sequence[Series | None] | None = None
) -> list[Contrast | None]:
    """The same of one metric's series, the noise of those there are told by as many others."""
    others = [each for each in (series if told_by is None else told_by) if each is not None]
    known = sum(each is not None for each in series)
    told = between_seeds([[each] for each in others])
    noise: Iterator[Seeds | None] = iter([None] * known if told is None else told)
    return [None if each is None else contrast(0.0, [each], seeds=next(noise)) for each in series]


def _series(state: SearchState, metric: str, runs: Sequence[TrialState]) -> Series | None:
    rungs = [trial.last for trial in runs if trial.last is not None]
    return measured_series(state, metric, 1.0, rungs, 0) if rungs else None


def between_seeds(groups: Sequence[Sequence[Series]]) -> list[Seeds] | None:
    """The noise between the runs of each group; None where no group has two.

    It is moderated by that of the items where these are known one by one, else pooled over the groups.

    Args:
        groups: The series of each group's runs that are combined.
    """
    if (noise := moderated(groups)) is not None:
        return list(noise)
    pooled = pooled_variance([list(map(float, combination(group))) for group in groups])
    return None if pooled is None else [Seeds(*pooled)] * len(groups)


def _within(state: SearchState, metric: str, measured: Contrast) -> PooledMean:
    """The estimate, its interval within the metric's bounds."""
    between = measured.between
    if between.variance is None:
        return PooledMean(measured.estimate, between.trials)
    mean = PooledMean(measured.estimate, between.trials, math.sqrt(between.variance), between.freedom)
    low, high = measured.interval()
    if not (math.isfinite(low) and math.isfinite(high)):
        return mean
    least, most = _bounds(state, metric)
    return replace(mean, low=max(least, low), high=min(most, high))


def _bounds(state: SearchState, metric: str) -> tuple[float, float]:
    described = metric_of(trainable_of(state), metric)
    if described is None:
        return -math.inf, math.inf
    # A ratio has the bound of what it is a ratio of only at 0.
    return (described.low, described.high) if described.name == metric else (0.0, math.inf)
