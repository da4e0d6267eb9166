"""Means over repetitions with new seeds: their intervals, and which differ from the best beyond noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search.config.schema import ObjectiveConfig
from trainables.interval import t_quantile


@dataclass(frozen=True)
class PooledMean:
    """A mean over the repetitions of one candidate, with the variance pooled over all candidates.

    Attributes:
        n: Number of repetitions.
        error: Standard error of the mean; None where no candidate has two repetitions.
        half: Half the width of the mean's 95% interval; None likewise. `search.judging.confirmation` adds the
            noise of the items.
    """

    mean: float
    n: int
    error: float | None = None
    half: float | None = None


def pooled_means(
    objectives: Sequence[ObjectiveConfig], groups: Sequence[Sequence[Mapping[str, float]]]
) -> tuple[list[dict[str, PooledMean]], int]:
    """Means of each group with t-intervals; the variance within groups is pooled over them.

    With n_i runs of group i and mean m_i: s^2 = sum (x_ij - m_i)^2 / sum (n_i - 1), and the 95% interval is
    m_i +- t(0.975) s / sqrt(n_i), t with sum (n_i - 1) degrees of freedom.

    Args:
        objectives: Whose means are wanted.
        groups: The metrics of each group's runs; every objective is finite in each.

    Returns:
        The means of each group by metric, empty for a group without runs; and the degrees of freedom.
    """
    freedom = sum(max(0, len(runs) - 1) for runs in groups)
    pooled: list[dict[str, PooledMean]] = [{} for _ in groups]
    for objective in objectives:
        columns = [[run[objective.metric] for run in runs] for runs in groups]
        means = [math.fsum(column) / len(column) if column else math.nan for column in columns]
        squares = math.fsum(
            (value - mean) ** 2 for column, mean in zip(columns, means, strict=True) for value in column
        )
        for group, column, mean in zip(pooled, columns, means, strict=True):
            if not column:
                continue
            error = math.sqrt(squares / freedom / len(column)) if freedom else None
            half = None if error is None else t_quantile(0.975, freedom) * error
            group[objective.metric] = PooledMean(mean, len(column), error, half)
    return pooled, freedom


def ties(means: Sequence[PooledMean], freedom: int) -> list[bool]:
    """Which means tie with the first, the best: they do not differ from it beyond noise. The first does.

    The two-sided 95% t-interval of the difference contains 0. Each of k comparisons is made at 1 - 0.05 / k
    (Bonferroni), so that all hold together with 95%. Where the noise is unknown, only equal means tie.

    Args:
        means: Of one objective, as `pooled_means` gives them.
        freedom: Its degrees of freedom.
    """
    if len(means) < 2 or not freedom:
        return [mean.mean == means[0].mean for mean in means]
    best, *others = means
    quantile = t_quantile(1 - 0.025 / len(others), freedom)
    return [True] + [
        abs(mean.mean - best.mean) <= quantile * math.hypot(mean.error or 0.0, best.error or 0.0)
        for mean in others
    ]
