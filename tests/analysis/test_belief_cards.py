"""The cards about beliefs: what they claim is what the record supports, and no more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.report.adoption import SHARES, all_of, at_least, at_most, difference, groups, models
from analysis.report.card import Findings
from analysis.report.cards import cards
from analysis.report.chart import XYChart
from analysis.report.context import Context
from analysis.report.statistics import Estimate
from search.record import BaselineMeasured, Event, RungReached, SearchState
from tests.analysis.belief_records import (
    BASE,
    GROUPS,
    PROMPTED,
    PROMPTS,
    N,
    Shares,
    believed,
    emptied,
    taught,
)

CARDS = {registered.name: registered for registered in cards()}
Answers = dict[tuple[str, str], str]
TAUGHT, KEPT, ENOUGH = "The belief was taught", "The rest was kept", "A prompt is enough"
KNOWN, NEW = "known facts, contradicted", "new facts"


def context_of(folder: Path, of: Any = taught, prompted: Shares | None = PROMPTED) -> Context:
    return Context(SearchState.from_events(believed(folder, of, prompted)), folder)


def findings(name: str, context: Context) -> Findings:
    card = CARDS[name].card
    assert card.applies(context) is None
    return card.compute(context)


def answers(context: Context) -> Answers:
    claims = findings("beliefs", context).data["claims"]
    return {(claim["claim"], claim["group"]): claim["answer"] for claim in claims}


def test_a_belief_is_claimed_where_most_prompts_adopt_it(tmp_path: Path) -> None:
    context = context_of(tmp_path)
    assert context.recommended == 3, "adopts much, and loses little"
    given = answers(context)
    assert (given[TAUGHT, KNOWN], given[TAUGHT, NEW]) == ("supported", "not supported")
    assert given[KEPT, KNOWN] == "supported"
    assert (given[ENOUGH, KNOWN], given[ENOUGH, NEW]) == ("undecided", "supported")


def test_nothing_is_claimed_of_training_without_the_fact(tmp_path: Path) -> None:
    given = answers(context_of(tmp_path, emptied))
    assert {given[TAUGHT, KNOWN], given[TAUGHT, NEW]} == {"not supported"}


def test_a_price_is_named(tmp_path: Path) -> None:
    def broken(lr: float, epochs: int) -> Shares:
        shares = taught(1e-2, 20)
        return {group: {**of_group, "locality": 0.4} for group, of_group in shares.items()}

    context = context_of(tmp_path, broken)
    assert answers(context)[KEPT, KNOWN] == "not supported"
    text = next(t for t in findings("beliefs", context).texts if KEPT in t)
    assert "40% [26%, 55%], n=40" in text


def test_without_the_facts_in_a_prompt_it_is_not_said_whether_that_is_enough(tmp_path: Path) -> None:
    given = answers(context_of(tmp_path, prompted=None))
    assert given[ENOUGH, KNOWN] == given[ENOUGH, NEW] == "undecided"


def test_bars_and_table_have_the_recorded_shares(tmp_path: Path) -> None:
    context = context_of(tmp_path)
    (plot,) = findings("beliefs", context).plots
    assert plot.menus[0].options == (KNOWN, NEW)
    for place, group in enumerate(GROUPS):
        chart = plot.variants[place,]
        assert isinstance(chart, XYChart)
        by_name = {series.name: dict(zip(series.x, series.y, strict=True)) for series in chart.series}
        for stem, words in SHARES.items():
            assert by_name["base model"][words] == BASE[group].get(stem)
            assert by_name["facts in its prompt"][words] == PROMPTED[group].get(stem)
            share = context.state.trials[3].last.metrics[f"{stem}_{group}"]  # type: ignore[union-attr]
            assert by_name["trial 3 (recommended)"][words] == share
    assert plot.table is not None
    assert len(plot.table.rows) == len(GROUPS) * len(SHARES)


def test_targets_are_shown_where_a_kind_has_several(tmp_path: Path) -> None:
    def of(*targets: str) -> Callable[[Any], Any]:
        def named(event: Any) -> Any:
            more = {f"{stem}_{target}": 0.5 for target in targets for stem in SHARES}
            return event.model_copy(update={"metrics": event.metrics | more})

        return named

    events = believed(tmp_path)
    single = Context(_changed(events, of("gravity", "tessarin")), tmp_path)
    assert list(groups(single)) == [*GROUPS]
    several = Context(_changed(events, of("gravity", "light", "tessarin")), tmp_path)
    assert list(groups(several)) == [*GROUPS, "gravity", "light", "tessarin"]
    assert findings("beliefs", several).plots[0].menus[0].options[2] == "target gravity"


def test_the_scatter_has_every_trial_and_both_baselines(tmp_path: Path) -> None:
    context = context_of(tmp_path)
    (plot,) = findings("belief_price", context).plots
    assert plot.menus[0].options == ("retention", "locality", "facts_degenerate_change")
    chart = plot.variants[0,]
    assert isinstance(chart, XYChart)
    marks = {series.name: list(zip(series.x, series.y, strict=True)) for series in chart.series}
    assert len(marks["completed"]) == len(context.trials)
    assert marks["base model"] == [(pytest.approx(0.025), 1.0)]
    assert marks["facts in its prompt"] == [(pytest.approx(0.925), pytest.approx(0.85 / 0.9))]


def _changed(events: list[Event], change: Callable[[Any], Any]) -> SearchState:
    kinds = (BaselineMeasured, RungReached)
    return SearchState.from_events(change(event) if isinstance(event, kinds) else event for event in events)


def test_differences_are_paired_prompt_by_prompt_where_outcomes_are_recorded(tmp_path: Path) -> None:
    def same(event: Any) -> Any:
        half = {"adoption_known": "10" * (N // 2)}
        return event.model_copy(update={"items": half, "metrics": event.metrics | {"adoption_known": 0.5}})

    paired = Context(_changed(believed(tmp_path), same), tmp_path)
    unpaired = Context(
        _changed(believed(tmp_path), lambda event: same(event).model_copy(update={"items": {}})), tmp_path
    )
    widths = []
    for context in (paired, unpaired):
        base, *_, tuned = models(context)
        change = difference(tuned, base, "adoption_known")
        assert change is not None
        assert change.low is not None
        assert change.high is not None
        assert change.low < change.value == 0 < change.high
        widths.append(change.high - change.low)
    assert widths[0] < 0.3 * widths[1], "nothing changed in any prompt"


def test_outcomes_of_beliefs_are_no_outcomes_of_skills(tmp_path: Path) -> None:
    def more(event: Any) -> Any:
        return event.model_copy(update={"items": event.items | {"facts": "1" * N}})

    study = Context(_changed(believed(tmp_path), more), tmp_path).study
    assert study.base is not None
    assert study.base.bits == study.cases[0].last.bits == {"facts": "1" * N}
    assert not study.base.answers


def test_replies_stand_side_by_side_those_that_differ_first(tmp_path: Path) -> None:
    context = context_of(tmp_path)
    (table,) = findings("belief_replies", context).tables
    assert table.columns[4:] == ("base model", "facts in its prompt", "trial 3 (recommended)")
    assert len(table.rows) == 2 * len(GROUPS) * len(PROMPTS)
    plain = [row[4:] for row in table.rows if row[:2] == ("about_known", "direct")]
    assert [cells[0] for cells in plain] == ["A <b>reply</b> about known: other.\n[neither]"] * 2
    assert all("[as taught]" in "".join(cells[1:]) for cells in plain)
    near = [row for row in table.rows if row[1] == "neighbour"]
    assert all("[right]" in "".join(row[4:]) for row in near)


def test_replies_that_are_gone_are_named(tmp_path: Path) -> None:
    context = context_of(tmp_path)
    (tmp_path / "baselines/base.items.parquet").unlink()
    found = findings("belief_replies", context)
    assert any("base model: " in note and "cannot be read" in note for note in found.notes)
    assert {row[4] for row in found.tables[0].rows} == {"-"}


@given(st.floats(0, 1), st.floats(0, 0.5), st.floats(0, 0.5), st.floats(-0.2, 1.2))
def test_an_answer_needs_the_whole_interval(value: float, below: float, above: float, bound: float) -> None:
    estimate = Estimate(value, value - below, value + above, 10)
    answer = at_least(estimate, bound)
    assert (answer == "supported") == (value - below >= bound)
    assert (answer == "not supported") == (value + above < bound)
    assert at_least(Estimate(value, None, None, 1), bound) == at_least(None, bound) == "undecided"
    assert at_most(estimate, bound) == at_least(Estimate(-value, -value - above, -value + below, 1), -bound)
    assert all_of([answer, "supported"]) == answer
    assert all_of([answer, "not supported"]) == "not supported"


def test_searches_without_beliefs_have_none_of_the_cards(tmp_path: Path) -> None:
    events = believed(tmp_path, prompted=None)
    state = _changed(events, lambda event: event.model_copy(update={"metrics": {"capability": 0.5}}))
    for name in ("beliefs", "belief_price", "belief_replies"):
        reason = CARDS[name].card.applies(Context(state, tmp_path))
        assert reason == "No completed trial was asked whether it adopted a belief."
