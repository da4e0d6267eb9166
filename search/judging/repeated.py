"""Estimates over repetitions: means with intervals over the seeds and over the items, within their bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from search.config.schema import ObjectiveConfig
from search.judging.constraints import bound_of
from search.judging.contrasts import Contrast, contrast
from search.judging.moderated import moderated
from search.judging.noise import Seeds, Series, combination, of_any_size
from search.judging.pooled import ALPHA, Ends, PooledMean
from search.judging.recorded_series import measured_series
from search.judging.shrunk import shrunk, squares_of
from search.record import SearchState, TrialState
from search.record.explained import range_of, trainable_of

UNBOUNDED = (-math.inf, math.inf)


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
        series, others = _series_of(state, objective.metric, groups, noise_from)
        bounds = _bounds(state, objective, series)
        for group, each in zip(means, pooled_means(series, others, bounds), strict=True):
            if each is not None:
                group[objective.metric] = each
    return means


def _bounds(
    state: SearchState, objective: ObjectiveConfig, series: Sequence[Series | None]
) -> tuple[float, float]:
    """What no interval exceeds.

    What only seems to be a share has the ends of shares where no word depends on them.
    """
    low, high = range_of(trainable_of(state), objective.metric)
    bound = bound_of(objective)
    if any(each is not None and each.supposed for each in series) and (bound is None or 0 < bound < 1):
        return max(low, 0.0), min(high, 1.0)
    return low, high


def measured_means(
    state: SearchState,
    metric: str,
    groups: Sequence[Sequence[TrialState]],
    noise_from: Sequence[Sequence[TrialState]] | None = None,
) -> list[Contrast | None]:
    """The mean of a metric over each group's runs, with its noise; None for a group without runs."""
    return of_series(*_series_of(state, metric, groups, noise_from))


def _series_of(
    state: SearchState,
    metric: str,
    groups: Sequence[Sequence[TrialState]],
    noise_from: Sequence[Sequence[TrialState]] | None,
) -> tuple[list[Series | None], list[Series | None] | None]:
    """A metric of each group's runs, and of the others, if any, that its noise is estimated from."""
    series = [series_over(state, metric, runs) for runs in groups]
    if noise_from is None:
        return series, None
    others = [series_over(state, metric, runs) for runs in noise_from]
    return series, [each for each, runs in zip(others, series, strict=True) if runs is not None]


def of_series(
    series: Sequence[Series | None], noise_from: Sequence[Series | None] | None = None
) -> list[Contrast | None]:
    """The same of one metric's series; the noise of those there are is estimated from as many others."""
    return [
        None if each is None else contrast(0.0, [each], seeds=() if seeds is None else (seeds,))
        for each, seeds in _with_seeds(series, noise_from)
    ]


def pooled_means(
    series: Sequence[Series | None],
    noise_from: Sequence[Series | None] | None = None,
    bounds: tuple[float, float] = UNBOUNDED,
) -> list[PooledMean | None]:
    """The same, as means with their intervals within bounds."""
    return [
        None if each is None else _mean(each, seeds, bounds)
        for each, seeds in _with_seeds(series, noise_from)
    ]


def _with_seeds(
    series: Sequence[Series | None], noise_from: Sequence[Series | None] | None
) -> list[tuple[Series | None, Seeds | None]]:
    others = [each for each in (series if noise_from is None else noise_from) if each is not None]
    estimated = between_seeds([[each] for each in others])
    noise = iter([None] * len(others) if estimated is None else estimated)
    return [(each, None if each is None else next(noise)) for each in series]


def series_over(state: SearchState, metric: str, runs: Sequence[TrialState]) -> Series | None:
    """The values of a metric in these runs, with their items; None without runs."""
    rungs = [trial.last for trial in runs if trial.last is not None]
    return measured_series(state, metric, 1.0, rungs, 0) if rungs else None


@of_any_size()
def between_seeds(groups: Sequence[Sequence[Series]]) -> list[Seeds] | None:
    """The noise between the runs of each group; None where no group has two.

    It is moderated by that of the items where these are known one by one, else shrunk towards that of the
    other groups.

    Args:
        groups: The series of each group's runs that are combined.
    """
    if (noise := moderated(groups)) is not None:
        return noise
    columns = [combination(group) for group in groups]
    freedoms = [len(column) - 1 for column in columns]
    if not any(freedoms):
        return None
    variances = shrunk([squares_of(column) for column in columns], freedoms)
    return [Seeds(variance, freedom, sum(freedoms)) for variance, freedom in variances]


def _mean(series: Series, seeds: Seeds | None, bounds: tuple[float, float]) -> PooledMean:
    if seeds is None:
        return PooledMean(float(series.values.mean()), len(series.values))
    measured = contrast(0.0, [series], seeds=(seeds,))
    assert measured.between.variance is not None
    if series.as_shares:
        bounds = max(bounds[0], 0.0), min(bounds[1], 1.0)
    at = partial(_ends, measured, *bounds)
    error, freedom = math.sqrt(measured.between.variance), measured.between.freedom
    ends = at(ALPHA)
    return PooledMean(
        measured.estimate, measured.between.trials, error, freedom, *ends, at=at, series=series, seeds=seeds
    )


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
