"""Retention and its interval, paired with the base model's answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from search.judging.paired import Pairs, difference, ratio_of_means, ratio_of_pairs
from search.judging.relative import relative_metrics, with_ratio_intervals, with_ratios
from search.record import BaselineMeasured
from trainables.evaluation.intervals import mean_of_shares
from trainables.interval import Interval, Z
from trainables.trainable import MetricSpec

PAIRED = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)
STRATA = st.lists(PAIRED, min_size=1, max_size=4)


def bits(values: list[bool]) -> str:
    return "".join("01"[value] for value in values)


def strings(pairs: list[tuple[bool, bool]]) -> tuple[str, str]:
    return bits([base for base, _ in pairs]), bits([tuned for _, tuned in pairs])


def table(both: int, tuned: int, base: int, neither: int) -> tuple[str, str]:
    """Items by outcome, as strings of the base and of the tuned model."""
    return (
        "1" * both + "0" * tuned + "1" * base + "0" * neither,
        "1" * both + "1" * tuned + "0" * base + "0" * neither,
    )


def test_the_difference_of_paired_shares_is_the_published_one() -> None:
    # Agresti, Categorical Data Analysis, section 10.1: approval of a prime minister asked twice,
    # 0.59 and then 0.55; 95% interval of the fall 0.02 to 0.06.
    interval = difference(*table(794, 86, 150, 570))
    assert interval.low == pytest.approx(-0.0587, abs=1e-4)
    assert interval.high == pytest.approx(-0.0212, abs=1e-4)
    assert interval.n == 1600


@given(PAIRED)
def test_the_difference_mirrors_and_is_never_sure_of_itself(pairs: list[tuple[bool, bool]]) -> None:
    base, tuned = strings(pairs)
    interval, mirrored = difference(base, tuned), difference(tuned, base)
    measured = (tuned.count("1") - base.count("1")) / len(pairs)
    assert -1 <= interval.low < interval.high <= 1
    assert interval.low <= measured <= interval.high
    assert interval.low == pytest.approx(-mirrored.high)


@given(STRATA, st.floats(0, 8))
def test_the_ratio_holds_what_fieller_s_condition_says(
    strata: list[list[tuple[bool, bool]]], ratio: float
) -> None:
    given_strata = [strings(pairs) for pairs in strata]
    interval = ratio_of_means(given_strata)
    assume(math.isfinite(interval.high))
    smoothed = [Pairs.of(*pair).smoothed(0.5 / len(strata)) for pair in given_strata]
    excess = np.mean([one.shares[0] - ratio * one.shares[1] for one in smoothed])
    # The variance of each item's own difference, tuned - ratio * base, added up from its four outcomes.
    variance = 0.0
    for one in smoothed:
        cells = [
            (one.both, 1 - ratio),
            (one.tuned, 1.0),
            (one.base, -ratio),
            (one.n - one.both - one.tuned - one.base, 0.0),
        ]
        mean = sum(count * value for count, value in cells) / one.n
        spread = sum(count * (value - mean) ** 2 for count, value in cells) / one.n
        variance += spread / one.n / len(strata) ** 2
    assume(abs(excess**2 - Z**2 * variance) > 1e-9)
    assert (interval.low <= ratio <= interval.high) == (excess**2 <= Z**2 * variance)


RUNS = st.integers(1, 30).flatmap(
    lambda n: st.lists(st.text("01", min_size=n, max_size=n), min_size=2, max_size=6)
)


@given(RUNS)
def test_several_tuned_models_count_by_the_share_that_is_right(texts: list[str]) -> None:
    base, *runs = texts
    assert Pairs.over(base, runs[:1]) == Pairs.of(base, runs[0])
    assert ratio_of_pairs([Pairs.over(base, runs[:1] * 3)]) == pytest.approx(
        ratio_of_means([(base, runs[0])])
    )
    pairs = Pairs.over(base, runs)
    mean = np.mean([[int(bit) for bit in run] for run in runs], axis=0)
    moments = np.cov(np.stack([mean, [int(bit) for bit in base]]), bias=True) / len(base)
    assert pairs.shares == pytest.approx((mean.mean(), base.count("1") / len(base)))
    assert pairs.covariance == pytest.approx((moments[0, 0], moments[0, 1], moments[1, 1]))


@given(STRATA, st.randoms(use_true_random=False))
def test_the_ratio_s_interval_is_never_of_zero_width_and_knows_no_order_of_items(
    strata: list[list[tuple[bool, bool]]], random: object
) -> None:
    interval = ratio_of_means([strings(pairs) for pairs in strata])
    assert 0 <= interval.low < interval.high
    assert interval.n == sum(map(len, strata))
    shuffled = [pairs[:] for pairs in strata[::-1]]
    for pairs in shuffled:
        random.shuffle(pairs)  # type: ignore[attr-defined]
    again = ratio_of_means([strings(pairs) for pairs in shuffled])
    assert (again.low, again.high) == pytest.approx((interval.low, interval.high))


def test_a_base_model_that_is_hardly_ever_right_leaves_the_ratio_open() -> None:
    assert ratio_of_means([table(0, 2, 1, 17)]) == Interval(low=0.0, high=math.inf, n=20)


def test_the_same_answers_are_surer_the_more_there_are() -> None:
    widths = []
    for n in (20, 60, 200):
        interval = ratio_of_means([("1" * n, "1" * n)])
        assert interval.low < 1 < interval.high
        widths.append(interval.high - interval.low)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.03


def draw(
    random: np.random.Generator, runs: int, base: float, tuned: float, correlation: float, n: int
) -> list[tuple[str, str]]:
    """Pairs of n items with these probabilities and this correlation of the two outcomes."""
    both = base * tuned + correlation * math.sqrt(base * (1 - base) * tuned * (1 - tuned))
    both = min(max(both, base + tuned - 1, 0.0), base, tuned)
    cells = random.multinomial(n, [both, tuned - both, base - both, 1 - base - tuned + both], size=runs)
    return [table(*map(int, row)) for row in cells]


COVERAGE = [
    # Of each skill: probability under the base model, under the tuned one, and items; and the correlation.
    ([(0.9, 0.7, 20)], 0.3),
    ([(0.6, 0.6, 40)], 0.0),
    ([(0.6, 0.5, 50)], 0.5),
    ([(0.4, 0.2, 100)], 0.3),
    ([(0.6, 0.6, 200)], 0.8),
    ([(0.95, 0.9, 200)], 0.4),
    ([(0.95, 0.9, 60), (0.9, 0.8, 40), (0.99, 0.97, 60)], 0.3),
    ([(0.8, 0.5, 20)] * 8, 0.5),
]


@pytest.mark.parametrize(("skills", "correlation"), COVERAGE)
def test_the_interval_covers_the_true_ratio_as_often_as_it_says(
    skills: list[tuple[float, float, int]], correlation: float
) -> None:
    random, runs = np.random.default_rng(7), 600
    truth = sum(tuned for _, tuned, _ in skills) / sum(base for base, _, _ in skills)
    strata = zip(*(draw(random, runs, *skill[:2], correlation, skill[2]) for skill in skills), strict=True)
    intervals = [ratio_of_means(drawn) for drawn in strata]
    covered = sum(interval.low <= truth <= interval.high for interval in intervals) / runs
    assert 0.92 <= covered <= 0.99


def measured(skills: dict[str, tuple[str, str]]) -> tuple[BaselineMeasured, dict[str, str], float]:
    """A base model's measurement, a rung's items, and the rung's capability."""
    base, tuned = ({name: pair[side] for name, pair in skills.items()} for side in (0, 1))
    shares = [
        sum(items[name].count("1") / len(items[name]) for name in skills) / len(skills)
        for items in (base, tuned)
    ]
    event = BaselineMeasured(name="base", metrics={"capability": shares[0]}, items=base, seconds=1.0)
    return event, tuned, shares[1]


def capability(items: dict[str, str]) -> dict[str, Interval]:
    low, high, n = mean_of_shares([(bits.count("1"), len(bits)) for bits in items.values()])
    return {"capability": Interval(low=low, high=high, n=n)}


def relative(*skills: str) -> dict[str, MetricSpec]:
    """Capability as the trainable lora declares it."""
    return relative_metrics([MetricSpec("capability", "", "max", relative="retention", items=skills)])


def test_retention_is_the_share_of_the_base_model_s_capability() -> None:
    base, _, _ = measured({"facts": ("1110", "1110")})
    assert with_ratios({"capability": 0.6, "kl": 1.0}, base, relative()) == {
        "capability": 0.6,
        "kl": 1.0,
        "retention": pytest.approx(0.8),
    }
    assert with_ratios({"capability": 0.6}, None, relative()) == {"capability": 0.6}
    assert with_ratios({"kl": 0.6}, base, relative()) == {"kl": 0.6}


def test_answers_that_agree_make_a_narrower_interval_than_a_fixed_base() -> None:
    base, items, value = measured({"facts": table(60, 1, 2, 17), "format": table(40, 2, 2, 36)})
    before = capability(items)
    found = with_ratio_intervals(before, items, base, relative(*items))
    paired, scale = found["retention"], base.metrics["capability"]
    assert found["capability"] == before["capability"]
    assert paired.low < value / scale < paired.high
    assert paired.n == 160
    fixed = (before["capability"].high - before["capability"].low) / scale
    assert paired.high - paired.low < 0.6 * fixed


def test_items_of_degenerate_replies_do_not_count() -> None:
    base, items, _ = measured({"facts": table(60, 1, 2, 17)})
    plain = with_ratio_intervals(capability(items), items, base, relative("facts"))
    more = base.model_copy(update={"items": base.items | {"degenerate": "0" * 80}})
    worse = items | {"degenerate": "1" * 80}
    assert with_ratio_intervals(capability(items), worse, more, relative("facts")) == plain


def test_measurements_that_cannot_be_paired_take_the_base_model_as_fixed() -> None:
    base, items, _ = measured({"facts": table(60, 1, 2, 17)})
    before = capability(items)
    fixed = before["capability"].low / base.metrics["capability"]
    old = base.model_copy(update={"items": {}})
    for one, other in (
        (old, items),
        (old, {}),
        (base, {}),
        (base, {"facts": "1" * 79}),
        (base, {"other": items["facts"]}),
    ):
        assert with_ratio_intervals(before, other, one, relative("facts"))["retention"].low == pytest.approx(
            fixed
        )
    assert with_ratio_intervals(before, items, base, relative(*items))["retention"].low != pytest.approx(
        fixed
    )
    assert with_ratio_intervals(before, items, None, relative("facts")) == before
