"""Changes of scores are paired with the base model, question by question."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyarrow import parquet

import analysis.report.cards  # noqa: F401  registers them
from analysis.report.base_comparison import metric_change, score_change
from analysis.report.card import CARDS
from analysis.report.context import Context
from search.judging.paired import difference
from search.record import SearchState
from tests.analysis.report_records import SKILL, whole


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(SearchState.from_events(whole(tmp_path)), tmp_path)


def _answers(folder: Path, name: str | None) -> str:
    rows = parquet.read_table(folder / str(name)).to_pylist()
    return "".join("01"[row["outcome"] == "right"] for row in rows if row["scoring"] == "generation")


def test_a_skill_s_change_is_that_of_its_answers(context: Context) -> None:
    best = context.state.trials[7]
    assert context.base is not None
    assert best.last is not None
    base, own = (_answers(context.folder, file) for file in (context.base.items_file, best.last.items_file))
    assert "0" in base + own
    assert metric_change(context, best, f"{SKILL}_generation") == difference(base, own)
    change = metric_change(context, best, "capability")
    assert change is not None
    assert (change.low, change.high) == pytest.approx((difference(base, own).low, difference(base, own).high))
    kept, recorded = metric_change(context, best, "retention"), best.last.intervals["retention"]
    assert kept is not None
    assert (kept.low + 1, kept.high + 1) == pytest.approx((recorded.low, recorded.high))
    assert metric_change(context, best, "train_loss") is None


def test_nothing_is_paired_where_the_answers_are_gone_or_are_to_other_questions(context: Context) -> None:
    best = context.state.trials[7]
    assert best.last is not None
    assert score_change(context, best, SKILL, "harness") is None
    (context.folder / str(best.last.items_file)).unlink()
    assert score_change(context, best, SKILL, "generation") is None


def test_the_verdict_s_table_has_them(context: Context) -> None:
    (table,) = CARDS["verdict"].card.compute(context).tables
    changes = {row[0]: str(row[-1]) for row in table.rows}
    assert "[" in changes["capability"]
    assert "[" in changes["retention"]
    assert "[" not in changes["train_loss"]
