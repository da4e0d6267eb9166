"""Means, correlations and their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainables.interval import Z, t_quantile


@dataclass(frozen=True)
class Estimate:
    """A number with its 95% interval.

    Attributes:
        n: What it rests on; the bounds are None where that is too few for an interval.
    """

    value: float
    low: float | None
    high: float | None
    n: int

    def data(self) -> dict[str, float | int | None]:
        """As plain data."""
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n}


def mean(values: Sequence[float]) -> Estimate:
    """Mean of finite values with Student's t interval over them; NaN of none."""
    finite = [value for value in values if math.isfinite(value)]
    n = len(finite)
    if not n:
        return Estimate(math.nan, None, None, 0)
    middle = math.fsum(finite) / n
    if n < 2:
        return Estimate(middle, None, None, n)
    variance = math.fsum((value - middle) ** 2 for value in finite) / (n - 1)
    half = t_quantile(0.975, n - 1) * math.sqrt(variance / n)
    return Estimate(middle, middle - half, middle + half, n)


def mean_share(values: Sequence[float]) -> Estimate:
    """`mean` of shares, with the interval kept within 0 and 1."""
    estimate = mean(values)
    if estimate.low is None or estimate.high is None:
        return estimate
    return Estimate(estimate.value, max(0.0, estimate.low), min(1.0, estimate.high), estimate.n)


def spearman(x: Sequence[float], y: Sequence[float]) -> Estimate | None:
    """Rank correlation with the interval of Bonett and Wright (2000, doi:10.1007/BF02294183).

    With r the correlation, the interval is tanh(atanh(r) +- z sqrt((1 + r^2 / 2) / (n - 3))).

    Args:
        x: Pairs in which either is not finite are left out.
        y: As many.

    Returns:
        None for fewer than four pairs, or where either does not vary.
    """
    points = np.array([(a, b) for a, b in zip(x, y, strict=True) if math.isfinite(a) and math.isfinite(b)])
    n = len(points)
    if n < 4:
        return None
    from scipy.stats import rankdata

    first, second = rankdata(points[:, 0]), rankdata(points[:, 1])
    if not first.std() or not second.std():
        return None
    rho = float(np.clip(np.corrcoef(first, second)[0, 1], -1.0, 1.0))
    if abs(rho) > 1 - 1e-12:
        # The transformed value is infinite; the exact bound of n points in perfect order is not known.
        rho = math.copysign(1.0, rho)
        end = math.tanh(math.atanh(1 - 1 / (2 * n)) - Z * math.sqrt(1.5 / (n - 3)))
        return Estimate(rho, min(rho, end * rho), max(rho, end * rho), n)
    half = Z * math.sqrt((1 + rho**2 / 2) / (n - 3))
    return Estimate(rho, math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half), n)
