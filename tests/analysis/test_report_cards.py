"""Every card over every shape of search, and the report when a card breaks."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from analysis.report.build import make
from analysis.report.card import CARDS, Findings, Registered
from analysis.report.cards import cards
from analysis.report.chart import HeatmapChart, ParallelChart, Plot, XYChart
from analysis.report.context import Context
from analysis.report.interactive import figure
from analysis.report.text import plain
from tests.analysis.report_records import SHAPES, state_of

NAMES = [one.name for one in cards()]
WANTED = {
    "verdict",
    "pareto",
    "heatmaps",
    "scatter",
    "ranks",
    "change",
    "curves",
    "progress",
    "importance",
    "parallel",
    "timeline",
    "failures",
    "outcomes",
    "samples",
    "knowledge",
    "saved",
    "comparison",
    "environment",
}


@pytest.fixture(scope="module", params=SHAPES)
def context(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Context:
    folder = tmp_path_factory.mktemp(request.param)
    return Context(state_of(request.param, folder), folder)


def test_every_card_that_was_asked_for_is_registered_once_in_order() -> None:
    assert set(NAMES) >= WANTED
    assert len(NAMES) == len(set(NAMES)) == len(list(CARDS))
    assert [one.order for one in cards()] == sorted(one.order for one in cards())
    assert all(one.title and one.title == CARDS.lines()[one.name] for one in cards())


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_why_not_or_what(name: str, context: Context) -> None:
    card = CARDS[name].card
    reason = card.applies(context)
    if reason is not None:
        assert reason.endswith(".")
        return
    found = card.compute(context)
    assert found.texts or found.tables or found.notes
    data = json.dumps(plain(found.data), allow_nan=False)
    assert data == json.dumps(plain(card.compute(context).data))
    check_texts([*found.texts, *found.notes])
    for table in [*found.tables, *(plot.table for plot in found.plots if plot.table)]:
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert all(isinstance(cell, str) for row in table.rows for cell in row)
        assert table.caption
    assert len({plot.name for plot in found.plots}) == len(found.plots)
    for plot in found.plots:
        check_plot(plot)


def check_texts(texts: list[str]) -> None:
    for text in texts:
        assert text.rstrip().endswith((".", "?", "!")), text
        assert "  " not in text
        assert " nan" not in text
        assert "None" not in text


def check_plot(plot: Plot) -> None:
    assert plot.title
    assert plot.alt.endswith(".")
    choices = math.prod(len(menu.options) for menu in plot.menus)
    assert len(plot.variants) == (choices if plot.menus else 0)
    for chart in [*plot.charts, *plot.variants.values()]:
        check_chart(chart)
        # What plotly.js is given is JSON without NaN.
        json.dumps(figure(chart), allow_nan=False)


def check_chart(chart: XYChart | HeatmapChart | ParallelChart) -> None:
    match chart:
        case XYChart():
            assert chart.series
            for series in chart.series:
                beside = (
                    series.y,
                    series.low,
                    series.high,
                    series.x_low,
                    series.x_high,
                    series.text,
                    series.base,
                )
                assert all(own is None or len(own) == len(series.x) for own in beside)
        case HeatmapChart():
            assert len(chart.z) == len(chart.text) == len(chart.y)
            assert all(len(row) == len(chart.x) for row in [*chart.z, *chart.text])
        case ParallelChart():
            assert all(len(one.values) == len(chart.colour) for one in chart.dimensions)
            assert all(len(one.ticks) == len(one.labels) for one in chart.dimensions)


class _Raises:
    """A card with a fault."""

    def __init__(self, when: str) -> None:
        self.when = when

    def applies(self, context: Context) -> str | None:
        if self.when == "applies":
            raise KeyError("a fault of the card")
        return None

    def compute(self, context: Context) -> Findings:
        if self.when == "compute":
            raise ZeroDivisionError("a fault of the card")
        if self.when == "drawing":
            return Findings({}, plots=(Plot("x", "x", "x.", ()),))
        return Findings({"value": object()})


@pytest.mark.parametrize("when", ["applies", "compute", "drawing", "data"])
def test_a_card_that_raises_becomes_its_own_error(when: str, tmp_path: Path) -> None:
    context = Context(state_of("single", tmp_path), tmp_path)
    environment = CARDS["environment"]
    made = make([Registered("bad", "Bad", 1, _Raises(when)), environment], context)
    assert [one.state for one in made] == ["error", "shown"]
    assert made[0].message.split(":")[0].isidentifier()


def test_the_cards_of_a_whole_search_find_what_was_put_in(tmp_path: Path) -> None:
    context = Context(state_of("whole", tmp_path), tmp_path)
    found: dict[str, Any] = {
        one.name: one.card.compute(context) for one in cards() if one.card.applies(context) is None
    }
    assert set(found) == WANTED - {"comparison"} | (set(found) - WANTED)
    assert found["verdict"].data["recommended"]["trial"] == context.recommended
    # The largest learning rate loses the format of nearly all answers, not the knowledge.
    lost = {row["lr"]: row["lost"] for row in found["knowledge"].data["exam"]}
    assert lost["1.0e-03"] == "format"
    grades = {row["lr"]: row["grade"] for row in found["change"].data["groups"]}
    assert grades == {"1.0e-05": "maintained", "1.0e-04": grades["1.0e-04"], "1.0e-03": "catastrophic"}
    shares = found["outcomes"].data["all generated replies"]
    assert shares["lr 1.0e-03"]["right"]["value"] < 0.2 < 0.8 < shares["base model"]["right"]["value"]
    for row in shares.values():
        assert math.fsum(own["value"] for own in row.values()) == pytest.approx(1.0)
    assert found["scatter"].data["spearman_full_budget"]["low"] > 0
    assert found["ranks"].data["falling"] == len(found["ranks"].data["ranks"]) == 4
    assert "every rank" in found["ranks"].texts[0]
    assert found["failures"].data["survived"] == {"worker lost": 1}
    assert found["progress"].data["values"] == sorted(found["progress"].data["values"])
    broken = found["samples"].data["most broken"]
    assert context.state.trials[broken["trial"]].params["lr"] == 1e-3
    assert broken["only_base_right"] > broken["only_tuned_right"]
    shown = [cells[3:] for cells in found["samples"].tables[-1].rows]
    assert all("[right]" in base and "[right]" not in tuned for base, tuned in shown)


def test_single_replies_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    context = Context(state_of("without_items", tmp_path), tmp_path)
    found = CARDS["samples"].card.compute(context)
    assert not found.tables
    assert any("cannot be read" in note for note in found.notes)


def test_a_record_cannot_point_outside_its_folder(tmp_path: Path) -> None:
    inside = tmp_path / "search"
    state = state_of("whole", inside)
    outside = tmp_path / "items.parquet"
    outside.write_bytes((inside / "baselines/base.items.parquet").read_bytes())
    state.baselines["base"] = state.baselines["base"].model_copy(update={"items_file": "../items.parquet"})
    (made,) = make([CARDS["samples"]], Context(state, inside))
    assert made.state == "error"
    assert "outside" in made.message


@pytest.mark.parametrize(
    ("other", "words"), [("whole", "holds in both"), ("single", "Undecided"), ("one_objective", "Undecided")]
)
def test_two_searches_are_compared(tmp_path: Path, other: str, words: str) -> None:
    folders = tmp_path / "a", tmp_path / "b"
    states = state_of("whole", folders[0]), state_of(other, folders[1])
    card = CARDS["comparison"].card
    assert card.applies(Context(states[0], folders[0])) is not None
    found = card.compute(Context(states[0], folders[0], (states[1], folders[1])))
    assert words in found.texts[0]
    assert len(found.data["searches"]) == 2


def test_the_time_of_evaluation_is_told_by_part(tmp_path: Path) -> None:
    found = CARDS["saved"].card.compute(Context(state_of("whole", tmp_path), tmp_path))
    (table,) = found.tables
    # 14 trials of three rungs: 1 + 2 + 3 s in training and 3 x 0.5 s in evaluation each.
    assert [row[0] for row in table.rows][2:] == ["evaluation: generation", "evaluation: likelihood"]
    assert [row[2] for row in table.rows] == ["80.0%", "20.0%", "16.0%", "4.0%"]
    assert not CARDS["saved"].card.compute(Context(state_of("old", tmp_path), tmp_path)).tables
