"""Quantiles of Student's t distribution."""

from __future__ import annotations

import math

import pytest

from trainables.interval import t_quantile


@pytest.mark.parametrize(
    ("probability", "freedom", "expected"),
    # Percentage points as tabulated by Pearson and Hartley (1966), table 12.
    [
        (0.975, 1, 12.706),
        (0.975, 2, 4.303),
        (0.975, 3, 3.182),
        (0.975, 10, 2.228),
        (0.975, 120, 1.980),
        (0.9995, 5, 6.869),
        (0.9, 29, 1.311),
    ],
)
def test_quantiles_are_those_of_the_tables(probability: float, freedom: int, expected: float) -> None:
    assert t_quantile(probability, freedom) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(("probability", "freedom"), [(1.0, 3), (0.0, 3), (math.nan, 3), (0.9, 0), (0.9, -1)])
def test_what_has_no_quantile_is_refused(probability: float, freedom: int) -> None:
    with pytest.raises(ValueError, match="no quantile"):
        t_quantile(probability, freedom)
