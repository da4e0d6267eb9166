"""Quantiles of Student's t distribution."""

from __future__ import annotations

import math

_HALVINGS = 64


def t_quantile(probability: float, freedom: int) -> float:
    """The value below which a t-distributed variable lies with a probability.

    Inverts the exact finite sums for whole degrees of freedom (Abramowitz and Stegun, 1964, 26.7.3 and
    26.7.4) by bisection.

    Args:
        probability: At least 0.5 and less than 1.
        freedom: Degrees of freedom, at least 1.

    Raises:
        ValueError: An argument is out of its range.
    """
    if not 0.5 <= probability < 1 or freedom < 1:
        raise ValueError(f"no quantile {probability} with {freedom} degrees of freedom")
    central = 2 * probability - 1
    low, high = 0.0, math.pi / 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _central_probability(middle, freedom) < central:
            low = middle
        else:
            high = middle
    return math.sqrt(freedom) * math.tan(low)


def _central_probability(angle: float, freedom: int) -> float:
    """Probability that |t| is at most sqrt(freedom) * tan(angle)."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = 0.0
    for power in range(1 if odd else 0, freedom - 1, 2):
        total += term
        term *= cosine * cosine * (power + 1) / (power + 2)
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
