"""Figures that only all documents of a task together make, and their intervals."""

from __future__ import annotations

import importlib.util
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.evaluation.harness.figures import change, figure, jackknife
from trainables.evaluation.harness.segments import SEGMENTED, reduced
from trainables.evaluation.intervals import wilson
from trainables.evaluation.measurement import combine
from trainables.evaluation.outcomes import Outcomes, Result, Score
from trainables.interval import t_quantile

installed = pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None, reason="lm-evaluation-harness is not installed"
)
STUDENT = {4: 2.7764451051977987, 19: 2.093024054408263}
"""97.5% quantiles by degrees of freedom (table)."""


def measured(aggregation: str, parts: list[Any], base: list[Any] | None = None) -> Any:
    results = [
        Result(item, None, part=part, base=None if base is None else base[item])
        for item, part in enumerate(parts)
    ]
    score = Score("task", "harness:metric,first", False, False, results=results, aggregation=aggregation)
    shares = [Score(**{**vars(score), "results": results[rank::2]}) for rank in range(2)]
    parts_of = [Outcomes(scores=[one], seconds={"total": 1.0}) for one in shares]
    return combine([Outcomes.from_bytes(one.to_bytes()) for one in reversed(parts_of)])


@settings(max_examples=40)
@given(st.sampled_from([5, 20]).flatmap(lambda n: st.lists(st.floats(-50, 50), min_size=n, max_size=n)))
def test_of_a_mean_the_jackknife_is_the_interval_over_documents(values: list[float]) -> None:
    found = jackknife(np.mean, values)
    assert found is not None
    assert found.value == np.mean(values)
    half = STUDENT[len(values) - 1] * np.std(values, ddof=1) / math.sqrt(len(values))
    if found.interval is None:
        assert half < 1e-9
    else:
        assert found.interval.high - found.value == pytest.approx(half, rel=1e-6, abs=1e-9)
        assert found.value - found.interval.low == pytest.approx(half, rel=1e-6, abs=1e-9)
        assert found.interval.n == len(values)


def test_of_many_documents_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(300):
        draw = np.random.default_rng(seed)
        pairs = np.column_stack([draw.gamma(4, size=90), draw.gamma(6, size=90)]).tolist()
        found = jackknife(lambda some: sum(a for a, _ in some) / sum(b for _, b in some), pairs)
        assert found is not None
        assert found.interval is not None
        covered += found.interval.low <= 4 / 6 <= found.interval.high
    assert 270 <= covered <= 297  # 285 are expected, with a standard deviation of 3.8


def test_means_of_zeros_and_ones_have_wilsons_interval_and_others_students() -> None:
    assert figure("mean", [1, 0, True, 1.0]) == (0.75, wilson(3, 4))
    found = figure("mean", [0.5, 0.25, 0.9])
    assert found is not None
    assert found.interval is not None
    half = t_quantile(0.975, 2) * np.std([0.5, 0.25, 0.9], ddof=1) / math.sqrt(3)
    assert found.interval == pytest.approx((0.55 - half, 0.55 + half, 3))


@installed
def test_a_change_is_paired() -> None:
    base = [10.0, 20.0, 30.0, 41.0, 52.0]
    better = [11.0, 21.5, 31.0, 42.0, 53.0]
    plain, paired = figure("mean", better), change("mean", better, base)
    assert plain is not None
    assert paired is not None
    assert plain.interval is not None
    assert paired.interval is not None
    assert paired.value == pytest.approx(1.1)
    assert paired.interval.low > 0
    assert plain.interval.high - plain.interval.low > 50 * (paired.interval.high - paired.interval.low)
    losses = [[-value, 4] for value in base], [[-value, 4] for value in better]
    ratio = change("bits_per_byte", losses[1], losses[0])
    assert ratio is not None
    assert ratio.interval is not None
    assert ratio.value == pytest.approx(1.1 / 4 / math.log(2))
    assert ratio.interval.high - ratio.value == pytest.approx(
        STUDENT[4] * np.std([1, 1.5, 1, 1, 1], ddof=1) / 4 / math.log(2) / math.sqrt(5)
    )


@installed
@pytest.mark.parametrize(
    ("aggregation", "parts"),
    [
        ("mean", [0.5, 0.25, 0.9, 0.1]),
        ("median", [3.0, 1.0, 2.0]),
        ("perplexity", [-1.5, -2.0, -0.3]),
        ("weighted_perplexity", [[-9.0, 4], [-3.0, 2], [-30.0, 12]]),
        ("bits_per_byte", [[-9.0, 40], [-3.0, 20], [-30.0, 90]]),
        ("f1", [[1, 1], [0, 1], [1, 0], [1, 1], [0, 0]]),
        ("matthews_corrcoef", [[1, 1], [0, 1], [1, 0], [1, 1], [0, 0]]),
        ("brier_score", [[0, [0.5, 0.5]], [1, [0.2, 0.8]], [0, [0.9, 0.1]]]),
        ("bleu", [["a red boat at sea", "a red boat at sea"], ["the sun is up now", "the sun was up"]]),
    ],
)
def test_figures_are_the_harnesss_own_however_documents_are_shared_out(
    aggregation: str, parts: list[Any]
) -> None:
    from lm_eval.api.registry import get_aggregation

    found = measured(aggregation, parts)
    assert found.metrics == {"task_metric_first": pytest.approx(get_aggregation(aggregation)(parts))}
    interval = found.intervals["task_metric_first"]
    assert interval.low < found.metrics["task_metric_first"] < interval.high
    assert interval.n == len(parts)
    compared = measured(aggregation, parts, base=parts)
    assert compared.metrics["task_metric_first_change"] == 0.0
    assert found.items == {}


@installed
@pytest.mark.parametrize(
    ("aggregation", "parts", "low", "high"),
    [
        ("weighted_perplexity", [[-40.0, 4], [-3.0, 2], [-3.0, 1]], 1.0, math.inf),
        ("perplexity", [-9.0, -0.1, -0.2], 1.0, math.inf),
        ("bits_per_byte", [[-40.0, 4], [-3.0, 2], [-3.0, 1]], 0.0, math.inf),
        ("f1", [[1, 1], [1, 0], [0, 0]], 0.0, 1.0),
        ("matthews_corrcoef", [[1, 1], [1, 0], [0, 0]], -1.0, 1.0),
        ("brier_score", [[0, [0.9, 0.1]], [1, [0.2, 0.8]], [0, [0.1, 0.9]]], 0.0, 2.0),
    ],
)
def test_intervals_keep_to_what_the_figure_can_be(
    aggregation: str, parts: list[Any], low: float, high: float
) -> None:
    found = figure(aggregation, parts)
    assert found is not None
    assert found.interval is not None
    assert low <= found.interval.low < found.value < found.interval.high <= high


@installed
@pytest.mark.parametrize(
    ("aggregation", "parts", "value"),
    [
        ("perplexity", [-800.0, -900.0], math.inf),
        ("perplexity", [math.nan, -1.0], None),
        ("mean", [math.nan, 0.5], None),
        ("mean", [math.inf, -math.inf], None),
        ("mean", ["a", "b"], None),
        ("f1", [["yes", "no"], ["maybe", "no"], ["no", "no"]], None),
        ("mean", [None, None], None),
        ("mean", [], None),
        ("mean", [0.5], 0.5),
        ("mean", [0.5, 0.5], 0.5),
    ],
)
def test_what_cannot_be_told_is_left_out(aggregation: str, parts: list[Any], value: float | None) -> None:
    found = measured(aggregation, parts)
    assert found.metrics == ({} if value is None else {"task_metric_first": value})
    assert found.intervals == {}


@installed
def test_documents_without_a_base_value_are_not_compared() -> None:
    assert measured("mean", [0.5, 0.7], base=[0.1, None]).metrics == {"task_metric_first": pytest.approx(0.6)}


@installed
@pytest.mark.parametrize("aggregation", SEGMENTED)
@pytest.mark.parametrize("references", [1, 2])
def test_corpus_figures_are_the_harnesss_own_and_look_at_each_text_once(
    aggregation: str, references: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lm_eval.api.registry import get_aggregation

    draw = np.random.default_rng(0)

    def text() -> str:
        return " ".join(f"w{number}" for number in draw.integers(9, size=draw.integers(4, 7)))

    right = [[text() for _ in range(references)] for _ in range(23)]
    own, base = ([[one if references > 1 else one[0], text()] for one in right] for _ in range(2))
    statistic = get_aggregation(aggregation)
    expected = (
        jackknife(statistic, own),
        jackknife(
            lambda pairs: statistic([one for one, _ in pairs]) - statistic([other for _, other in pairs]),
            list(zip(own, base, strict=True)),
        ),
    )
    counted = [[reduced(aggregation, one) for one in some] for some in (own, base)]
    if references == 1:
        monkeypatch.setattr("sacrebleu.metrics.base.Metric._extract_corpus_statistics", None)
    found = figure(aggregation, counted[0]), change(aggregation, *counted)
    for one, other in zip(found, expected, strict=True):
        assert one is not None
        assert other is not None
        assert one.interval is not None
        assert one.value == pytest.approx(other.value, abs=1e-9)
        assert one.interval == pytest.approx(other.interval, abs=1e-9)


@installed
@pytest.mark.parametrize(
    "parts", [[["a b", "a"], ["a b", None]], [["a b", "a"], [[], "a"]], [["a b", "a"], 3]]
)
def test_texts_that_cannot_be_counted_have_no_figure(parts: list[Any]) -> None:
    assert figure("bleu", [reduced("bleu", part) for part in parts]) is None


@installed
def test_what_leaving_documents_out_makes_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from lm_eval.api import metrics, registry

    asked: list[int] = []

    def counting(values: list[float]) -> float:
        asked.append(len(values))
        return float(metrics.median(values))

    monkeypatch.setattr(registry, "get_aggregation", lambda name: counting)
    base, own, later = ([place + shift for place in range(30)] for shift in (0.1, 0.2, 0.3))
    for values in (own, later):
        figure("median", values)
        change("median", values, base)
    assert len(asked) == 3 * 21
