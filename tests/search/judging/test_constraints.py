from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.config.schema import ObjectiveConfig
from search.judging.constraints import constraint_violations, total_violation
from trainables.interval import Interval

LOSS = ObjectiveConfig(metric="loss", direction="min", ceiling=2.0)
SPEED = ObjectiveConfig(metric="speed", direction="max")
RETENTION = ObjectiveConfig(metric="retention", direction="max", floor=0.95)
OBJECTIVES = [LOSS, SPEED, RETENTION]


def test_point_violations_are_signed_and_in_the_order_of_the_objectives() -> None:
    violations = constraint_violations(OBJECTIVES, {"loss": 2.5, "speed": 1.0, "retention": 0.97})
    assert violations == pytest.approx((0.5, -0.02))


def test_bound_violations_use_the_favourable_bound() -> None:
    metrics = {"loss": 2.5, "retention": 0.9}
    wide = {"loss": Interval(low=1.9, high=3.1, n=9), "retention": Interval(low=0.8, high=0.96, n=50)}
    assert constraint_violations(OBJECTIVES, metrics, wide) == pytest.approx((-0.1, -0.01))
    narrow = {"retention": Interval(low=0.88, high=0.92, n=500)}
    assert constraint_violations(OBJECTIVES, metrics, narrow) == pytest.approx((0.5, 0.03))


@pytest.mark.parametrize("metrics", [{}, {"loss": math.nan, "retention": math.nan}])
def test_what_was_not_measured_violates(metrics: dict[str, float]) -> None:
    intervals = {"retention": Interval(low=0.9, high=1.0, n=5)}
    assert constraint_violations(OBJECTIVES, metrics) == (math.inf, math.inf)
    assert constraint_violations(OBJECTIVES, metrics, intervals) == (math.inf, math.inf)


_VALUES = st.floats(-10, 10) | st.just(math.nan)


@settings(max_examples=50)
@given(_VALUES, _VALUES, _VALUES, _VALUES)
def test_an_interval_never_makes_it_worse(loss: float, retention: float, low: float, high: float) -> None:
    metrics = {"loss": loss, "retention": retention}
    interval = Interval(low=low, high=high, n=3)
    bound = constraint_violations(OBJECTIVES, metrics, {"loss": interval, "retention": interval})
    point = constraint_violations(OBJECTIVES, metrics)
    assert all(favourable <= plain for favourable, plain in zip(bound, point, strict=True))


def test_total_violation_adds_what_is_violated_relative_to_its_bound() -> None:
    assert total_violation(OBJECTIVES, (0.5, -0.02)) == pytest.approx(0.25)
    assert total_violation(OBJECTIVES, (0.5, 0.095)) == pytest.approx(0.35)
    assert total_violation(OBJECTIVES, (-1.0, -1.0)) == 0
    zero = ObjectiveConfig(metric="drift", direction="min", ceiling=0.0)
    assert total_violation([zero], (0.3,)) == pytest.approx(0.3)
