"""95% intervals: their one type, and the quantiles that they are made with."""

from __future__ import annotations

from typing import NamedTuple

Z = 1.959963984540054
"""97.5% quantile of the normal distribution."""


class Interval(NamedTuple):
    """A two-sided 95% confidence interval of a metric.

    Attributes:
        low: Lower bound, in the metric's own unit.
        high: Upper bound.
        n: Sample size it rests on.
    """

    low: float
    high: float
    n: int


def t_quantile(probability: float, freedom: float) -> float:
    """The value below which a variable with Student's t distribution lies with a probability.

    Args:
        probability: Above 0 and below 1.
        freedom: Degrees of freedom, above 0; not necessarily whole.

    Raises:
        ValueError: An argument is out of its range.
    """
    if not 0 < probability < 1 or not freedom > 0:
        raise ValueError(f"no quantile {probability} with {freedom} degrees of freedom")
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))
