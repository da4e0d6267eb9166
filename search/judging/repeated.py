"""Estimates over repetitions: means with intervals over the seeds and over the items, within their bounds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

from search.config.schema import ObjectiveConfig
from search.judging.contrasts import Contrast, contrast
from search.judging.moderated import moderated
from search.judging.noise import Seeds, Series, combination
from search.judging.pooled import ALPHA, Ends, PooledMean, pooled_variance
from search.judging.recorded_series import measured_series
from search.record import SearchState, TrialState
from search.record.explained import metric_of, trainable_of


def estimates(
    state: SearchState,
    objectives: Sequence[ObjectiveConfig],
    groups: Sequence[Sequence[TrialState]],
    noise_from: Sequence[Sequence[TrialState]] | None = None,
) -> list[dict[str, PooledMean]]:
    """Mean of each objective over each group's runs.

    Args:
        state: A search that has begun.
        objectives: Whose means are wanted.
        groups: Runs that differ in their seed alone; every objective is finite in each. May be empty.
        noise_from: Other runs of the same groups, from which the noise between seeds is estimated.

    Returns:
        The means of each group by metric; empty for a group without runs.
    """
    means: list[dict[str, PooledMean]] = [{} for _ in groups]
    for objective in objectives:
        measured = measured_means(state, objective.metric, groups, noise_from)
        for group, each in zip(means, measured, strict=True):
            if each is not None:
                group[objective.metric] = _within(each, *_bounds(state, objective.metric))
    return means


def measured_means(
    state: SearchState,
    metric: str,
    groups: Sequence[Sequence[TrialState]],
    noise_from: Sequence[Sequence[TrialState]] | None = None,
) -> list[Contrast | None]:
    """The mean of a metric over each group's runs, with its noise; None for a group without runs."""
    series = [series_over(state, metric, runs) for runs in groups]
    if noise_from is None:
        return of_series(series)
    others = [series_over(state, metric, runs) for runs in noise_from]
    return of_series(series, [each for each, runs in zip(others, series, strict=True) if runs is not None])


def of_series(
    series: Sequence[Series | None], noise_from: Sequence[Series | None] | None = None
) -> list[Contrast | None]:
    """The same of one metric's series; the noise of those there are is estimated from as many others."""
    others = [each for each in (series if noise_from is None else noise_from) if each is not None]
    known = sum(each is not None for each in series)
    estimated = between_seeds([[each] for each in others])
    noise: Iterator[Seeds | None] = iter([None] * known if estimated is None else estimated)
    return [None if each is None else contrast(0.0, [each], seeds=next(noise)) for each in series]


def series_over(state: SearchState, metric: str, runs: Sequence[TrialState]) -> Series | None:
    """The values of a metric in these runs, with their items; None without runs."""
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


def _within(measured: Contrast, least: float, most: float) -> PooledMean:
    """The estimate, its intervals within the metric's bounds."""
    between = measured.between
    if between.variance is None:
        return PooledMean(measured.estimate, between.trials)
    at = partial(_ends, measured, least, most)
    error = math.sqrt(between.variance)
    return PooledMean(measured.estimate, between.trials, error, between.freedom, *at(ALPHA), at)


def _ends(measured: Contrast, least: float, most: float, alpha: float) -> Ends:
    """The ends of the interval within bounds; one that is infinite is not known.

    Seeds count at the level 1 - alpha. The items are the same however often more seeds are looked at, and so
    count at 95% always.
    """
    if not measured.known:
        return None, None
    low, high = measured.interval(ALPHA, alpha)
    low, high = max(least, low), min(most, high)
    return low if math.isfinite(low) else None, high if math.isfinite(high) else None


def _bounds(state: SearchState, metric: str) -> tuple[float, float]:
    described = metric_of(trainable_of(state), metric)
    if described is None:
        return -math.inf, math.inf
    # A ratio has the bound of what it is a ratio of only at 0.
    return (described.low, described.high) if described.name == metric else (0.0, math.inf)
