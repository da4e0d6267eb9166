"""The statistics behind the checks, against published values, other libraries and brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.investigate import kendall
from analysis.investigate.change import paired_change, pooled_change, unpaired_change
from analysis.investigate.checks.every_group import binomial_p
from analysis.investigate.conclusion import items_for, trials_for
from analysis.investigate.faults.miskeyed import binomial_below
from analysis.investigate.kendall import (
    bootstrap,
    curve_differences,
    curve_signs,
    holm,
    tau_b,
    trend,
    value_signs,
)
from analysis.investigate.retention_interval import retention_interval
from analysis.investigate.study import Measured, Share
from search.judging.grades import grade
from search.judging.paired import Pairs, difference, ratio_of_means
from trainables.interval import Interval, Z

VALUES = st.lists(st.integers(0, 5), min_size=5, max_size=12)


@given(VALUES, st.randoms(use_true_random=False))
def test_tau_is_kendalls(x: list[int], random: object) -> None:
    y = [(value * 7 + index * 3) % 5 for index, value in enumerate(x)]
    ours = tau_b(value_signs(np.array(x, float)), value_signs(np.array(y, float)))
    theirs = stats.kendalltau(x, y).statistic
    assert (math.isnan(ours) and math.isnan(theirs)) or ours == pytest.approx(theirs)


def test_trials_are_compared_at_the_latest_step_that_both_have() -> None:
    nan = float("nan")
    curves = np.array([[1.0, 5.0, 9.0], [2.0, 4.0, nan], [3.0, nan, nan], [nan, nan, nan]])
    signs = curve_signs(curves)
    assert signs[0, 1] == 1  # at the second step, where the order is the other way round than at the first
    assert signs[0, 2] == -1
    assert signs[1, 2] == -1
    assert not signs[3].any()
    assert (signs == -signs.T).all()


def test_the_permutation_p_is_that_of_all_permutations() -> None:
    x, y = np.arange(6.0), np.array([3.0, 1.0, 2.0, 5.0, 4.0, 6.0])
    a, b = value_signs(x), value_signs(y)
    observed = abs(int((a * b).sum()))
    everyone = [abs(int((a[np.ix_(p, p)] * b).sum())) >= observed for p in itertools.permutations(range(6))]
    assert trend(a, b, [range(6)]).p == pytest.approx(np.mean(everyone), abs=0.02)


def test_permutations_stay_within_their_stratum() -> None:
    """Two strata of two have four permutations, of which the observed one is one and its mirror another."""
    x, y = np.array([1.0, 2.0, 1.0, 2.0]), np.array([1.0, 2.0, 5.0, 6.0])
    found = trend(value_signs(x), value_signs(y), [[0, 1], [2, 3]])
    assert found.value == 1.0
    assert found.p == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("strata", [[range(60)], [range(20), range(20, 60)]])
def test_beyond_many_trials_the_normal_distribution_agrees(
    strata: list[range], monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.Generator(np.random.PCG64(3))
    x = random.integers(0, 4, 60).astype(float)
    y = 0.15 * x + random.normal(size=60)
    a, b = value_signs(x), value_signs(y)
    by_permutation, by_bootstrap = trend(a, b, strata), bootstrap(a, b, strata)
    monkeypatch.setattr(kendall, "LARGE", 1)
    assert trend(a, b, strata).p == pytest.approx(by_permutation.p, rel=0.25, abs=0.01)
    assert bootstrap(a, b, strata) == pytest.approx(by_bootstrap, abs=0.08)


def test_noise_is_significant_as_often_as_it_should_be() -> None:
    random = np.random.Generator(np.random.PCG64(0))
    x = value_signs(np.tile(np.arange(3.0), 4))
    strata = [range(i, i + 3) for i in range(0, 12, 3)]
    values = [random.normal(size=12) for _ in range(300)]
    for favoured in (0, 1):
        ps = [trend(x, value_signs(y), strata, curve_differences(y[:, None]), favoured).p for y in values]
        assert 0.02 <= np.mean(np.array(ps) < 0.05) <= 0.08


def test_a_fall_at_one_end_shows_in_nine_trials() -> None:
    """Three groups of three: their order alone could not show it, were the first two in any order."""
    x = value_signs(np.tile(np.arange(3.0), 3))
    y = np.array([0.70, 0.73, 0.35, 0.74, 0.71, 0.40, 0.72, 0.73, 0.38])
    strata = [range(i, i + 3) for i in range(0, 9, 3)]
    signs, differences = value_signs(y), curve_differences(y[:, None])
    assert trend(x, signs, strata).p > 0.05
    assert trend(x, signs, strata, differences, favoured=-1).p < 0.05
    assert trend(x, signs, strata, differences, favoured=1).p > 0.05


@given(st.integers(0, 1000))
def test_scores_are_differences_at_the_latest_step_that_both_have(seed: int) -> None:
    random = np.random.Generator(np.random.PCG64(seed))
    curves = np.where(random.random((6, 3)) < 0.3, np.nan, random.normal(size=(6, 3)))
    assert (np.sign(curve_differences(curves)) == curve_signs(curves)).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_never_lowers(ps: list[float]) -> None:
    found = holm([*ps, float("nan")])
    assert math.isnan(found[-1])
    assert all(p <= q <= 1 for p, q in zip(ps, found, strict=False))
    order = sorted(range(len(ps)), key=ps.__getitem__)
    assert [found[i] for i in order] == sorted(found[:-1])
    assert found[order[0]] == pytest.approx(min(1.0, len(ps) * min(ps)))


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(*[st.text("01", min_size=n, max_size=n)] * 2)))
def test_one_stratum_is_agresti_and_min(pair: tuple[str, str]) -> None:
    found = paired_change([Pairs.of(*pair)])
    ours, theirs = found.interval, difference(*pair)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
    assert found.value == pytest.approx((pair[1].count("1") - pair[0].count("1")) / len(pair[0]))
    excludes = not ours.low <= 0 <= ours.high
    assert excludes is (found.p < 0.05) or found.p == pytest.approx(0.05, abs=1e-6)


@given(st.integers(1, 30).flatmap(lambda n: st.lists(st.text("01", min_size=n, max_size=n), min_size=8)))
def test_the_pooled_change_is_that_of_the_items_mean_moves(texts: list[str]) -> None:
    """Item by item: the share of the models under which it is right, less whether it is under the base."""
    base, *tuned = (
        Measured(None, math.nan, 0.5, bits={"a": first, "b": second})
        for first, second in zip(texts[::2], texts[1::2], strict=False)
    )
    value = centre = variance = 0.0
    for skill in "ab":
        moves = (
            as_array([model.bits[skill] for model in tuned]).mean(axis=0) - as_array([base.bits[skill]])[0]
        )
        # Four cells with 0.5 / 2 observations more: two of them with a change, of +1 and of -1.
        n = len(moves) + 1
        value += moves.mean() / 2
        centre += moves.sum() / n / 2
        variance += ((np.square(moves).sum() + 0.5) / n - (moves.sum() / n) ** 2) / n / 4
    found = pooled_change(base, tuned)
    assert found is not None
    error = math.sqrt(variance)
    bounds = max(-1.0, centre - Z * error), min(1.0, centre + Z * error)
    expected = [value, *bounds, math.erfc(abs(centre / error) / math.sqrt(2))]
    assert [found.value, found.interval.low, found.interval.high, found.p] == pytest.approx(expected)


def as_array(texts: list[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([[float(bit) for bit in text] for text in texts])


def test_retention_without_outcomes_of_items_has_the_noise_of_the_items() -> None:
    """Three models on 400 items each, all as good as the base model."""
    random = np.random.Generator(np.random.PCG64(0))
    inside = 0
    for _ in range(200):
        base, *tuned = (Measured(None, math.nan, random.binomial(400, 0.6) / 400, 400) for _ in range(4))
        found = retention_interval(base, tuned)
        assert found is not None
        inside += found.low <= 1 <= found.high
    assert inside >= 184  # 95% of 200, less two standard errors
    equal = Measured(None, math.nan, 0.5, 400)
    found = retention_interval(equal, [equal] * 3)
    assert found is not None
    assert found.high - found.low > 0.1
    assert retention_interval(equal, [Measured(None, math.nan, 0.5)] * 3) is None


def test_retention_of_a_model_that_changed_no_item_is_not_sure() -> None:
    one = Measured(None, math.nan, 0.5, 40, bits={"a": "01" * 20})
    found = retention_interval(one, [one])
    assert found is not None
    assert found.low < 0.99
    assert found.high > 1.01
    lost = Measured(None, math.nan, 0.0, 40, bits={"a": "00" * 20})
    none = retention_interval(one, [lost])
    assert none is not None
    assert none.low == 0 < none.high


@given(st.integers(1, 40).flatmap(lambda n: st.lists(st.text("01", min_size=n, max_size=n), min_size=4)))
def test_retention_of_one_model_is_that_by_which_the_search_decides(texts: list[str]) -> None:
    base, own = {"a": texts[0], "b": texts[1]}, {"a": texts[2], "b": texts[3]}
    score = {
        name: sum(t.count("1") / len(t) for t in bits.values()) / 2
        for name, bits in (("base", base), ("own", own))
    }
    assume(score["base"] > 0)
    found = retention_interval(
        Measured(None, math.nan, score["base"], bits=base), [Measured(None, math.nan, score["own"], bits=own)]
    )
    theirs = ratio_of_means([(base[skill], own[skill]) for skill in base])
    assert found is not None
    assert found.n == theirs.n
    assert found.low <= theirs.low <= theirs.high <= found.high
    measured = score["own"] / score["base"]
    assert found.low in (theirs.low, measured)
    assert found.high in (theirs.high, measured)


def test_retention_of_models_that_differ_is_as_unsure_as_these_few_make_it() -> None:
    """Three models of a setting whose models differ, often enough with the setting's own mean inside."""
    random = np.random.Generator(np.random.PCG64(0))
    n, inside = 240, 0
    for _ in range(200):
        easy = random.normal(0, 1.2, n)
        right = ["".join("01"[int(own)] for own in random.random(n) < 1 / (1 + np.exp(-easy)))]
        for level in random.normal(-1.0, 1.0, 3):
            right.append(
                "".join("01"[int(own)] for own in random.random(n) < 1 / (1 + np.exp(-(easy + level))))
            )
        base, *tuned = (Measured(None, math.nan, own.count("1") / n, bits={"a": own}) for own in right)
        found = retention_interval(base, tuned)
        assert found is not None
        inside += found.low <= _TRUE_RATIO <= found.high
    assert inside >= 180  # a bootstrap over three models holds it in 150


def _mean_right(level: float, spread: float) -> float:
    points, weights = np.polynomial.hermite_e.hermegauss(60)
    return float((weights / (1 + np.exp(-(level + spread * points)))).sum() / weights.sum())


_TRUE_RATIO = _mean_right(-1.0, math.hypot(1.2, 1.0)) / _mean_right(0.0, 1.2)
"""Of the mean over all models of the setting, and all items."""


def test_unpaired_changes_need_both_numbers_of_items() -> None:
    assert unpaired_change(Share(0.5, 100), Share(0.3)) is None
    found = unpaired_change(Share(0.5, 100), Share(0.3, 100))
    assert found is not None
    assert found.interval.low < -0.2 < found.interval.high < 0


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_binomial_tests_are_exact(counts: tuple[int, int]) -> None:
    successes, n = counts
    assert binomial_p(successes, n) == pytest.approx(stats.binomtest(successes, n, 0.5).pvalue)
    assert binomial_below(successes, n, 0.25) == pytest.approx(stats.binom.cdf(successes, n, 0.25))


@settings(max_examples=25)
@given(st.floats(0.2, 0.95))
def test_fewer_trials_are_needed_for_a_stronger_trend(tau: float) -> None:
    assert trials_for(tau) >= trials_for(min(1.0, tau + 0.05))


def test_the_items_needed_show_the_fall_four_times_in_five() -> None:
    random = np.random.Generator(np.random.PCG64(0))
    n = items_for(0.1, 0.3)
    lost, won = random.multinomial(n, [0.2, 0.1, 0.7], size=4000).T[:2]
    z = (lost - won) / np.sqrt(lost + won)
    assert np.mean(z > 1.96) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(
    ("retention", "name"),
    [
        (1.2, "maintained"),
        (0.95, "maintained"),
        (0.949, "slight"),
        (0.85, "slight"),
        (0.5, "moderate"),
        (0.0, "catastrophic"),
    ],
)
def test_grades(retention: float, name: str) -> None:
    found = grade(retention)
    assert found is not None
    assert (found.name, found.sure, str(found)) == (name, True, name)


def test_a_grade_tells_what_its_interval_leaves_open() -> None:
    found = grade(0.9, Interval(low=0.4, high=0.97, n=40))
    assert str(found) == "slight (anything from maintained to catastrophic)"
    assert grade(float("nan")) is None
