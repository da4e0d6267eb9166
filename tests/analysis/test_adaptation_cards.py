"""Report and checklist of trials in two stages with another tokenizer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.checklist.check import Answer
from analysis.checklist.run import examine
from analysis.report.card import CARDS, Findings
from analysis.report.cards import cards
from analysis.report.chart import XYChart
from analysis.report.context import Context
from analysis.report.text import plain
from search.record import SearchState
from tests.analysis.adaptation_records import BATCH, BORDER, START, STEPS, adapted
from tests.analysis.report_records import whole
from tests.analysis.test_report_cards import check_plot, check_texts

NAMES = ("stages", "coverage", "alignment")


def context(state: SearchState) -> Context:
    return Context(state, Path())


def findings(name: str, state: SearchState) -> Findings:
    card = CARDS[name].card
    assert card.applies(context(state)) is None
    return card.compute(context(state))


def answers(**changes: float) -> dict[str, Answer]:
    described = context(adapted(**changes))
    return dict(examine(described, described.trials[0]).answers)


@pytest.mark.parametrize("name", [registered.name for registered in cards()])
def test_every_card_says_why_not_or_what(name: str) -> None:
    described = context(adapted())
    card = CARDS[name].card
    if (reason := card.applies(described)) is not None:
        assert name not in NAMES
        assert reason.endswith(".")
        return
    shown = card.compute(described)
    json.dumps(plain(shown.data), allow_nan=False)
    check_texts([*shown.texts, *shown.notes])
    for plot in shown.plots:
        check_plot(plot)


@settings(max_examples=30, deadline=None)
@given(st.floats(-1, 1), st.floats(0.01, 0.5))
def test_the_alignment_beats_the_mean_of_sub_tokens_where_its_whole_interval_does(
    gain: float, half: float
) -> None:
    shown = findings("alignment", adapted(gain, half))
    expected = "supported" if gain > half else "not supported" if gain < -half else "undecided"
    assert shown.data["answer"] == expected
    assert shown.texts[0].startswith("The alignment does not beat") == (expected == "not supported")
    assert shown.data["gain"]["baseline aligned"]["value"] == gain


def test_the_border_of_the_stages_is_where_stage_1_ends() -> None:
    shown = findings("stages", adapted())
    curves, bits = (plot.charts[0] for plot in shown.plots)
    assert isinstance(curves, XYChart)
    assert isinstance(bits, XYChart)
    assert [rule.value for rule in curves.rules] == [BORDER]
    assert shown.data["gains"]["stage 1"]["value"] == pytest.approx(0.5)
    last = START - 1.1  # of the trial in the middle
    assert shown.data["gains"]["stage 2"]["value"] == pytest.approx(START - 0.5 - last)
    assert {rule.name for rule in bits.rules} == {"base model", "baseline subtokens", "baseline aligned"}


def test_the_parts_of_a_coverage_add_up_to_a_whole() -> None:
    (plot,) = findings("coverage", adapted()).plots
    chart = plot.charts[0]
    assert isinstance(chart, XYChart)
    assert [sum(values) for values in zip(*(series.x for series in chart.series), strict=True)] == (  # type: ignore[arg-type]
        pytest.approx([1.0] * len(chart.series[0].x))
    )
    assert chart.series[0].y[:2] == ["trial 2, tokens", "trial 2, weighted"], "the recommended one first"


def test_ranges_of_stages_are_as_meant_or_fail() -> None:
    sound = answers()["stage_ranges"]
    assert sound.verdict == "pass"
    assert sound.numbers["stage2"] == [BORDER * BATCH, STEPS * BATCH]
    skipped = answers(stage2_first=BORDER * BATCH * 16)["stage_ranges"]
    assert skipped.verdict == "fail"
    assert "does not begin where stage 1 ended" in skipped.text
    assert answers(stage2_sequences=3.0)["stage_ranges"].verdict == "fail"


@pytest.mark.parametrize(("fallback", "verdict"), [(0.0, "pass"), (0.05, "pass"), (0.06, "fail")])
def test_coverage_counts_tokens_as_often_as_they_occur(fallback: float, verdict: str) -> None:
    answer = answers(coverage_fallback_weighted=fallback, coverage_fallback=0.9)["token_coverage"]
    assert (answer.verdict, answer.numbers["weighted"]) == (verdict, pytest.approx(1 - fallback))


def test_other_trainables_are_not_asked_about_stages_and_coverage(tmp_path: Path) -> None:
    described = Context(SearchState.from_events(whole(tmp_path)), tmp_path)
    asked = examine(described, described.trials[0]).answers
    assert not {"stage_ranges", "token_coverage"} & asked.keys()
    assert asked.keys() < answers().keys()
