"""Confidence intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.evaluation.intervals import mean_of_shares, token_mean, token_values, wilson
from trainables.interval import t_quantile

COUNTS = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe (1998), Statistics in Medicine 17:857, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_published_values(successes: int, n: int, low: float, high: float) -> None:
    interval = wilson(successes, n)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)
    assert interval.n == n


@given(COUNTS)
def test_wilson_holds_the_share_and_mirrors(count: tuple[int, int]) -> None:
    successes, n = count
    interval, mirrored = wilson(successes, n), wilson(n - successes, n)
    assert 0 <= interval.low <= successes / n <= interval.high <= 1
    assert interval.high > interval.low
    assert interval.low == pytest.approx(1 - mirrored.high, abs=1e-12)


@given(st.lists(COUNTS, min_size=1, max_size=5))
def test_the_mean_of_shares_is_within_its_interval(counts: list[tuple[int, int]]) -> None:
    mean = sum(successes / n for successes, n in counts) / len(counts)
    interval = mean_of_shares(counts)
    assert -1e-12 <= interval.low <= mean <= interval.high <= 1 + 1e-12
    assert interval.high - interval.low > 0
    assert interval.n == sum(n for _, n in counts)


def test_the_mean_of_one_share_is_wilson() -> None:
    assert mean_of_shares([(7, 12)])[:2] == pytest.approx(wilson(7, 12)[:2])


def test_the_mean_of_shares_covers_the_truth_as_often_as_it_says() -> None:
    generator = np.random.Generator(np.random.PCG64(0))
    truth, n = (0.95, 0.6, 0.85), 60
    draws = generator.binomial(n, truth, size=(2000, 3))
    mean = sum(truth) / 3
    intervals = [mean_of_shares([(int(k), n) for k in row]) for row in draws]
    covered = np.mean([i.low <= mean <= i.high for i in intervals])
    assert 0.93 < covered < 0.975


@pytest.mark.parametrize("n", [8, 50])
def test_the_token_mean_covers_the_truth_as_often_as_it_says(n: int) -> None:
    generator = np.random.Generator(np.random.PCG64(0))
    covered = []
    for _ in range(1000):
        tokens = generator.integers(30, 40, size=n)
        sums = tokens * generator.normal(2.0, 0.3, size=n)
        _, interval = token_mean(sums, tokens)
        assert interval is not None
        covered.append(interval.low <= 2.0 <= interval.high)
    assert 0.93 < np.mean(covered) < 0.975


@given(st.lists(st.tuples(st.floats(-50, 50), st.integers(1, 60)), min_size=2, max_size=40))
def test_values_item_by_item_have_the_mean_and_the_interval_of_all(items: list[tuple[float, int]]) -> None:
    sums, tokens = np.array([each for each, _ in items]), np.array([each for _, each in items])
    mean, interval = token_mean(sums, tokens)
    values = token_values(sums, tokens)
    assert interval is not None
    half = t_quantile(0.975, len(items) - 1) * values.std(ddof=1) / len(items) ** 0.5
    assert values.mean() == pytest.approx(mean, abs=1e-9)
    assert (interval.low, interval.high) == pytest.approx((mean - half, mean + half), abs=1e-9)


def test_one_example_has_a_mean_but_no_interval() -> None:
    assert token_mean(np.array([6.0]), np.array([3])) == (2.0, None)
