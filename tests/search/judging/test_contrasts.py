"""Intervals of comparisons: they hold the truth as often as they say, however few the items."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.judging.contrasts import POWER, Contrast, contrast
from search.judging.holm import adjusted, levels
from search.judging.noise import Array, Seeds, Series
from search.judging.paired import difference
from trainables.evaluation.intervals import wilson
from trainables.interval import Interval, Z, t_quantile

RUNS = 1200
SLACK = 3 * math.sqrt(0.05 * 0.95 / RUNS)
NORMAL = NormalDist()


def share(coefficient: float, bits: Array, over: str = "a", group: int | None = 0) -> Series:
    """A share of items in some trials, from outcomes of shape (T, n)."""
    return Series(coefficient, bits.mean(axis=1), group, ((over, bits),))


def draw(random: np.random.Generator, share_: float, n: int) -> Array:
    return (random.random((1, n)) < share_).astype(float)


def alike(random: np.random.Generator, left: float, right: float, n: int, rho: float) -> list[Array]:
    """Outcomes of the same items under two models, whose latent scores correlate by rho."""
    common = random.standard_normal(n)
    scores = [math.sqrt(rho) * common + math.sqrt(1 - rho) * random.standard_normal(n) for _ in range(2)]
    return [
        (score < NORMAL.inv_cdf(share_)).astype(float)[None]
        for score, share_ in zip(scores, (left, right), strict=True)
    ]


def coverage(make: Callable[[np.random.Generator], Contrast], truth: float, runs: int = RUNS) -> float:
    random = np.random.default_rng(7)
    intervals = [make(random).interval() for _ in range(runs)]
    return float(np.mean([low <= truth <= high for low, high in intervals]))


@pytest.mark.parametrize("n", [10, 35, 100])
@pytest.mark.parametrize(("left", "right"), [(0.02, 0.02), (0.9, 0.5), (0.0, 0.1), (0.5, 0.98)])
def test_different_items(n: int, left: float, right: float) -> None:
    def make(random: np.random.Generator) -> Contrast:
        series = [share(1, draw(random, left, n), "a"), share(-1, draw(random, right, n), "b")]
        return contrast(0.0, series)

    assert coverage(make, left - right) >= 0.95 - SLACK


@pytest.mark.parametrize("n", [10, 35, 100])
@pytest.mark.parametrize(
    ("left", "right", "rho"), [(0.05, 0.05, 0.5), (0.9, 0.6, 0.8), (0.5, 0.5, 0.95), (0.02, 0.2, 0.5)]
)
def test_the_same_items(n: int, left: float, right: float, rho: float) -> None:
    def make(random: np.random.Generator) -> Contrast:
        tuned, base = alike(random, left, right, n, rho)
        return contrast(0.0, [share(1, tuned), share(-1, base, group=None)])

    assert coverage(make, left - right) >= 0.95 - SLACK


def numbers(coefficient: float, values: Array, over: str = "a", group: int | None = 0) -> Series:
    """A mean of any numbers in some trials, shape (T, n)."""
    return Series(coefficient, values.mean(axis=1), group, ((over, values),), unbounded=True)


@pytest.mark.parametrize("n", [4, 8, 60])
def test_numbers_of_the_same_items_are_compared_item_by_item(n: int) -> None:
    """As the mean of differences has it: what items share is no noise."""

    def make(random: np.random.Generator, paired: bool = True) -> Contrast:
        common = random.lognormal(1.0, 1.0, n)
        tuned, base = (common + shift + 0.2 * random.standard_normal(n) for shift in (0.1, 0.0))
        other = "a" if paired else "b"
        return contrast(0.0, [numbers(1, tuned[None]), numbers(-1, base[None], other, None)])

    assert 0.95 - SLACK <= coverage(make, 0.1) <= 0.95 + 2 * SLACK
    random = np.random.default_rng(1)
    left, right = random.lognormal(1.0, 1.0, (2, n))
    measured = contrast(0.0, [numbers(1, left[None]), numbers(-1, right[None], group=None)])
    half = t_quantile(0.975, n - 1) * float((left - right).std(ddof=1)) / math.sqrt(n)
    assert measured.paired
    assert measured.interval() == pytest.approx((measured.estimate - half, measured.estimate + half))
    wide, narrow = (
        np.mean([np.ptp(make(np.random.default_rng(seed), paired).interval()) for seed in range(9)])
        for paired in (False, True)
    )
    assert narrow < wide / 3


def test_means_over_other_numbers_have_welchs_interval_and_a_single_number_has_none() -> None:
    random = np.random.default_rng(8)
    left, right = random.normal(0, 1, (1, 5)), random.normal(0, 3, (1, 9))
    measured = contrast(0.0, [numbers(1, left), numbers(-1, right, "b", None)])
    variances = [float(values.var(ddof=1)) / values.size for values in (left, right)]
    freedom = sum(variances) ** 2 / (variances[0] ** 2 / 4 + variances[1] ** 2 / 8)
    half = t_quantile(0.975, freedom) * math.sqrt(sum(variances))
    assert measured.interval() == pytest.approx((measured.estimate - half, measured.estimate + half))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        single = contrast(0.0, [numbers(1, left[:, :1])])
        assert (single.known, single.interval()) == (False, (-math.inf, math.inf))


def test_sums_of_means_over_unlike_numbers_count_as_alike() -> None:
    """Two losses may be of the same texts: that their noise adds up is the wider interval."""
    values = np.random.default_rng(3).standard_normal((1, 40))
    unlike = contrast(0.0, [numbers(1, values), numbers(1, values, "b")])
    assert unlike.interval() == pytest.approx(contrast(0.0, [numbers(2, values)]).interval())


@pytest.mark.parametrize("trials", [2, 4, 20])
@pytest.mark.parametrize(("of_trials", "of_items"), [(0.0, 0.0), (0.0, 1.0), (0.5, 0.0), (0.5, 1.0)])
def test_several_trials_on_the_same_items(trials: int, of_trials: float, of_items: float) -> None:
    """Noise of either kind, or of both, lies in one interval."""
    n = 30

    def make(random: np.random.Generator) -> Contrast:
        score = random.normal(0, of_trials, (trials, 1)) + random.normal(0, of_items, (1, n))
        bits = (random.standard_normal((trials, n)) < score).astype(float)
        return contrast(-0.5, [share(1, bits)])

    # Student's t takes trials for normal, which shares of few items are only nearly.
    assert coverage(make, 0.0, 600) >= 0.95 - 1.5 * SLACK


@pytest.mark.parametrize("of_prompts", [0.0, 1.0, 4.0])
def test_several_replies_to_a_prompt(of_prompts: float) -> None:
    """Prompts decide how much the replies to one depend on one another; all replies alike make them one."""
    prompts, replies = 30, 4
    widths = []

    def make(random: np.random.Generator) -> Contrast:
        score = random.normal(0, of_prompts, (prompts, 1))
        bits = (random.standard_normal((prompts, replies)) < score).astype(float)
        means = bits.mean(axis=1)[None]
        widths.append(
            float(
                np.ptp(contrast(0.0, [Series(1, means.mean(axis=1), 0, (("a", means),), replies)]).interval())
            )
        )
        return contrast(-0.5, [Series(1, means.mean(axis=1), 0, (("a", means),), replies)])

    assert coverage(make, 0.0) >= 0.95 - SLACK
    alone = np.ptp(wilson(prompts / 2, prompts)[:2])
    assert 0.45 * alone < np.mean(widths) <= 1.05 * alone


def test_a_share_alone_has_wilsons_interval_and_pairs_have_a_narrower_one() -> None:
    random = np.random.default_rng(0)
    for n, p in ((10, 0.0), (10, 1.0), (40, 0.3)):
        bits = draw(random, p, n)
        expected = wilson(float(bits.sum()), n)
        assert contrast(0.0, [share(1, bits)]).interval() == pytest.approx(expected[:2], abs=1e-9)
    tuned, base = alike(random, 0.6, 0.5, 200, 0.9)
    widths = [
        high - low
        for over in ("a", "b")
        for low, high in [contrast(0.0, [share(1, tuned), share(-1, base, over)]).interval()]
    ]
    assert widths[0] < 0.8 * widths[1]
    text = ["".join("1" if bit else "0" for bit in bits[0]) for bits in (base, tuned)]
    wald = difference(text[0], text[1])
    assert widths[0] == pytest.approx(wald.high - wald.low, rel=0.1)


def test_seeds_that_agree_exactly_leave_the_noise_of_the_items() -> None:
    bits = np.tile(draw(np.random.default_rng(1), 0.4, 50), (2, 1))
    low, high = contrast(0.0, [share(1, bits)]).interval()
    assert (low, high) == pytest.approx(wilson(float(bits[0].sum()), 50)[:2], abs=1e-9)
    losses = Series(1.0, np.array([2.0, 2.0]), 0, intervals=(Interval(1.9, 2.2, 40),) * 2)
    assert contrast(0.0, [losses]).interval() == pytest.approx((1.9, 2.2))


def test_without_items_trials_alone_make_the_interval() -> None:
    values = np.array([1.0, 2.0, 4.0])
    low, high = contrast(0.0, [Series(2.0, values, 0)]).interval()
    half = t_quantile(0.975, 2) * float(values.std(ddof=1)) / math.sqrt(3)
    assert (low / 2, high / 2) == pytest.approx((values.mean() - half, values.mean() + half))
    single = contrast(0.0, [Series(1.0, np.array([3.0]), 0)])
    assert (single.known, single.interval(), single.p) == (False, (-math.inf, math.inf), 1.0)
    with_seeds = contrast(0.0, [Series(1.0, np.array([3.0]), 0)], seeds=[Seeds(0.04, 3, 3)])
    assert with_seeds.interval() == pytest.approx(
        (3 - 0.2 * t_quantile(0.975, 3), 3 + 0.2 * t_quantile(0.975, 3))
    )


SERIES = st.builds(
    lambda seed, trials, n, p: [
        share(1.0, (np.random.default_rng(seed).random((trials, n)) < p).astype(float), "a", 0),
        share(-0.5, (np.random.default_rng(seed + 1).random((trials, n)) < 0.5).astype(float), "a", 0),
        share(0.25, (np.random.default_rng(seed + 2).random((1, n)) < 0.3).astype(float), "b", None),
    ],
    st.integers(0, 2**20),
    st.integers(1, 5),
    st.integers(2, 30),
    st.floats(0, 1),
)


@settings(max_examples=60, deadline=None)
@given(SERIES, st.floats(-1, 1), st.randoms(use_true_random=False), st.floats(0.01, 100))
def test_what_must_not_matter(series: list[Series], constant: float, random: object, scale: float) -> None:
    before = contrast(constant, series)
    low, high = before.interval()
    turned = contrast(-constant, [replace(each, coefficient=-each.coefficient) for each in series])
    assert turned.interval() == pytest.approx((-high, -low), abs=1e-9)
    assert turned.p == pytest.approx(before.p)
    order = np.random.default_rng(0).permutation(len(series[0].values))
    shuffled = [
        each
        if each.group is None
        else replace(each, values=each.values[order], items=((each.items[0][0], each.items[0][1][order]),))
        for each in series
    ]
    assert contrast(constant, shuffled[::-1]).interval() == pytest.approx((low, high), abs=1e-9)
    scaled = contrast(scale * constant, [replace(s, coefficient=scale * s.coefficient) for s in series])
    assert scaled.interval() == pytest.approx((scale * low, scale * high), rel=1e-6, abs=1e-9)
    assert scaled.p == pytest.approx(before.p, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(SERIES, st.floats(-1, 1))
def test_the_p_value_is_the_level_whose_interval_ends_at_0(series: list[Series], constant: float) -> None:
    tested = contrast(constant, series)
    if not 1e-9 < tested.p < 0.99:
        return
    for alpha, holds in ((tested.p * 0.99, True), (tested.p * 1.01, False)):
        low, high = tested.interval(alpha)
        assert (low <= 0 <= high) is holds


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_holm(p_values: list[float], random: object) -> None:
    corrected, decided = adjusted(p_values), levels(p_values)
    for p, star, level in zip(p_values, corrected, decided, strict=True):
        assert p <= star <= min(1.0, len(p_values) * p) or star == max(corrected)
        assert (star <= 0.05) == (p <= level)
    assert [x for _, x in sorted(zip(p_values, corrected, strict=True))] == sorted(corrected)
    assert adjusted(p_values[::-1]) == corrected[::-1]


def test_holm_of_a_published_example() -> None:
    # R: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm")
    assert adjusted([0.04, 0.01, 0.05, 0.02, 0.03]) == pytest.approx([0.09, 0.05, 0.09, 0.08, 0.09])


def test_without_any_effect_one_family_in_twenty_errs_at_most() -> None:
    random = np.random.default_rng(5)
    families, size, wrong = 400, 4, 0
    for _ in range(families):
        p_values = []
        for _ in range(size):
            tuned, base = alike(random, 0.3, 0.3, 40, 0.5)
            p_values.append(contrast(0.0, [share(1, tuned), share(-1, base)]).p)
        wrong += min(adjusted(p_values)) <= 0.05
    assert wrong / families <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / families)


def decided(make: Callable[[int], Contrast], runs: int = 300) -> float:
    results = [make(run).interval() for run in range(runs)]
    return float(np.mean([low > 0 or high < 0 for low, high in results]))


def test_the_sample_of_items_that_is_asked_for_decides_as_often_as_it_says() -> None:
    random = np.random.default_rng(11)

    def of(n: int) -> Contrast:
        return contrast(0.0, [share(1, draw(random, 0.6, n), "a"), share(-1, draw(random, 0.45, n), "b")])

    exact = [np.repeat([1.0, 0.0], counts)[None] for counts in ((24, 16), (18, 22))]
    needed = contrast(0.0, [share(1, exact[0], "a"), share(-1, exact[1], "b")]).needed()
    assert needed is not None
    assert needed.trials == 1
    # Two shares of 0.6 and 0.45: (1.96 + 0.84)^2 (0.24 + 0.2475) / 0.15^2 = 170 (Fleiss, 1981).
    assert 40 * needed.items == pytest.approx(170, rel=0.05)
    assert decided(lambda run: of(math.ceil(40 * needed.items))) == pytest.approx(POWER, abs=0.08)


def test_the_number_of_trials_that_is_asked_for_decides_as_often_as_it_says() -> None:
    random = np.random.default_rng(12)
    values = np.array([-0.6, 1.4, 0.7, -0.1, 1.1])  # mean 0.5, deviation 0.82
    needed = contrast(0.0, [Series(1.0, values, 0)]).needed()
    assert needed is not None
    assert needed.items == 1
    trials = math.ceil(5 * needed.trials)
    deviation = float(values.std(ddof=1))

    def make(run: int) -> Contrast:
        return contrast(0.0, [Series(1.0, random.normal(0.5, deviation, trials), 0)])

    assert decided(make) == pytest.approx(POWER, abs=0.08)


def test_what_no_sample_could_decide() -> None:
    assert contrast(0.0, [Series(1.0, np.array([1.0]), 0)]).needed() is None
    assert contrast(-0.5, [share(1, np.array([[1.0, 0.0]]))]).needed() is None


def test_groups_that_are_not_matched_have_welchs_interval() -> None:
    left, right = np.array([1.0, 2.0, 4.0]), np.array([0.0, 0.5])
    variances = [float(values.var(ddof=1)) / len(values) for values in (left, right)]
    freedom = sum(variances) ** 2 / (variances[0] ** 2 / 2 + variances[1] ** 2 / 1)
    half = t_quantile(0.975, freedom) * math.sqrt(sum(variances))
    low, high = contrast(0.0, [Series(1.0, left, 0), Series(-1.0, right, 1)]).interval()
    middle = float(left.mean() - right.mean())
    assert (low, high) == pytest.approx((middle - half, middle + half))
    # A single trial of a group takes its noise from the others.
    low, high = contrast(0.0, [Series(1.0, left, 0), Series(-1.0, right[:1], 1)]).interval()
    assert high - low > 2 * Z * float(left.std(ddof=1))


def test_unknown_noise_between_means_of_all_trials_is_not_averaged_away() -> None:
    """Losses of twenty trials on the same texts share the texts' noise."""
    values: Sequence[float] = np.full(20, 2.0)
    intervals = tuple(Interval(value - 0.1, value + 0.1, 50) for value in values)
    low, high = contrast(0.0, [Series(1.0, np.array(values), 0, intervals=intervals)]).interval()
    assert (low, high) == pytest.approx((1.9, 2.1))
