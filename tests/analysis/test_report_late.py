"""Skills that only some trials are asked: every card deals with them, and one shows them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from analysis.report.build import make
from analysis.report.card import CARDS, Findings
from analysis.report.cards import cards
from analysis.report.context import Context
from analysis.report.words import asked_late
from search.judging.paired import difference
from search.judging.pareto import pareto_front
from search.record import BaselineMeasured, Event, FrontMeasured, RungReached, SearchState
from tests.analysis.report_records import SKILL, config, whole
from tests.records import BEGIN, opening_events
from trainables.evaluation.intervals import wilson
from trainables.evaluation.itemfile import SCHEMA
from trainables.interval import Interval

LAST, FRONT, N = "finals", "essays", 80
_BASE = 0.8


def late(folder: Path, answers: bool = True) -> SearchState:
    """The whole search with one skill asked at the full budget and one on the front; items of the latter."""
    skills: list[dict[str, Any]] = [
        {"name": SKILL, "path": "exam.jsonl", "scoring": ["generation", "likelihood"]},
        {"name": LAST, "path": "finals.jsonl", "scoring": ["likelihood"], "at": "last"},
        {"name": FRONT, "path": "essays.jsonl", "scoring": ["generation"], "at": "front"},
    ]
    started, *events = whole(folder, repeats=0)
    found: list[Event] = [opening_events(config(capability={"skills": skills}))[0]]
    assert type(started) is type(found[0])
    for event in events:
        if isinstance(event, BaselineMeasured):
            names = [f"{LAST}_likelihood", f"{FRONT}_generation"]
            event = _with(event, names, [_right(_BASE, 1)] * 2)
            if answers:
                _add_items(folder, event.items_file, event.items_file, _right(_BASE, 1))
        elif isinstance(event, RungReached) and event.rung == 2:
            event = _with(event, [f"{LAST}_likelihood"], [_right(0.7, event.trial)])
        found.append(event)
    for one in pareto_front(SearchState.from_events(found)):
        right = _right(0.5, one.number)
        own = f"trials/{one.number:04d}/rung-2.items.parquet"
        kept = f"trials/{one.number:04d}/rung-2.front.items.parquet" if answers else None
        if kept is not None:
            _add_items(folder, own, kept, right)
        name, wide, share = f"{FRONT}_generation", wilson(sum(right), N), sum(right) / N
        others = {f"{FRONT}_wrong": 1 - share, f"{FRONT}_unparseable": 0.0, f"{FRONT}_leaking": 0.0}
        found.append(
            FrontMeasured(
                trial=one.number,
                metrics={name: share} | others,
                intervals={name: Interval(low=wide.low, high=wide.high, n=N)},
                eval_seconds=1.0,
                items_file=kept,
                time=BEGIN + 1000,
            )
        )
    return SearchState.from_events(found)


def _right(share: float, seed: int) -> list[bool]:
    generator = random.Random(seed)
    return [generator.random() < share for _ in range(N)]


def _with(event: Any, names: list[str], rights: list[list[bool]]) -> Any:
    intervals = {}
    for name, right in zip(names, rights, strict=True):
        own = wilson(sum(right), N)
        intervals[name] = Interval(low=own.low, high=own.high, n=N)
    values = {name: sum(right) / N for name, right in zip(names, rights, strict=True)}
    return event.model_copy(
        update={"metrics": event.metrics | values, "intervals": event.intervals | intervals}
    )


def _add_items(folder: Path, before: str | None, after: str | None, right: list[bool]) -> None:
    assert before is not None
    assert after is not None
    rows = parquet.read_table(folder / before).to_pylist()
    rows += [
        rows[0]
        | {"skill": FRONT, "scoring": "generation", "item": index, "question": f"Essay {index}?"}
        | {"outcome": "right" if own else "wrong", "reply": "A", "prediction": "A"}
        for index, own in enumerate(right)
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema=SCHEMA), folder / after)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    folder = tmp_path_factory.mktemp("late")
    return Context(late(folder), folder)


def found(context: Context) -> Findings:
    card = CARDS["late"].card
    assert card.applies(context) is None
    return card.compute(context)


def test_every_card_stands_metrics_that_only_some_trials_have(context: Context) -> None:
    made = {one.card.name: one for one in make(cards(), context)}
    assert {name: one.message for name, one in made.items() if one.state == "error"} == {}
    assert made["late"].state == "shown"


def test_front_trials_stand_beside_the_base_model_with_intervals(context: Context) -> None:
    own = found(context)
    front = [one.number for one in context.front]
    assert [one["trial"] for one in own.data[FRONT]["front"]] == front
    assert own.data[FRONT]["asked"] == len(front) < len(context.trials)
    assert own.data[LAST]["asked"] == len(context.trials)
    table = next(table for table in own.tables if table.caption.startswith(FRONT))
    assert table.open
    assert [row[0].split(",")[0] for row in table.rows] == ["base model", *(f"trial {n}" for n in front)]
    assert all(f"n={N}" in row[2] and "[" in row[2] for row in table.rows)
    assert f"{len(front)} of {len(context.trials)} trials were evaluated" in own.texts[1]


def test_changes_are_paired_question_by_question(context: Context) -> None:
    base = "".join("01"[own] for own in _right(_BASE, 1))
    for one in found(context).data[FRONT]["front"]:
        tuned = "".join("01"[own] for own in _right(0.5, one["trial"]))
        expected = difference(base, tuned)
        assert (one["change"]["low"], one["change"]["high"]) == (expected.low, expected.high)
        assert one["change"]["n"] == N


def test_without_answers_the_intervals_of_both_scores_are_joined(context: Context, tmp_path: Path) -> None:
    paired = found(context).data[FRONT]["front"]
    joined = found(Context(late(tmp_path, answers=False), tmp_path)).data[FRONT]["front"]
    assert [one["change"]["value"] for one in joined] == [one["change"]["value"] for one in paired]
    for one in joined:
        assert one["change"]["low"] < one["change"]["value"] < one["change"]["high"]


def test_the_recommended_trial_is_judged_in_words(context: Context) -> None:
    own = found(context)
    (text,) = [text for text in own.texts if text.startswith(FRONT)]
    assert f"The recommended trial {context.recommended} has" in text
    assert "significantly fewer right answers than the base model" in text


def test_answers_that_cannot_be_read_are_not_paired(context: Context, tmp_path: Path) -> None:
    state = late(tmp_path)
    for path in tmp_path.rglob("*.front.items.parquet"):
        path.write_bytes(b"PAR1")
    for paired, one in zip(
        found(context).data[FRONT]["front"],
        found(Context(state, tmp_path)).data[FRONT]["front"],
        strict=True,
    ):
        assert one["change"]["value"] == paired["change"]["value"]
        assert one["change"]["low"] != paired["change"]["low"]


def test_cards_by_learning_rate_say_how_many_were_asked(context: Context) -> None:
    note = f"{FRONT} is evaluated only at the end: {len(context.front)} of the {len(context.judged)} trials"
    assert asked_late(context, [SKILL, FRONT]) == (f"{note} counted here.",)
    outcomes = CARDS["outcomes"].card.compute(context)
    assert any(note in text for text in outcomes.notes) == (FRONT in outcomes.data)
    assert FRONT in outcomes.data
    knowledge = CARDS["knowledge"].card.compute(context)
    assert not any("evaluated only at the end" in text for text in knowledge.notes)


def test_skills_asked_of_some_are_no_fault_of_the_evaluation(context: Context, tmp_path: Path) -> None:
    without = Context(SearchState.from_events(whole(tmp_path, repeats=0)), tmp_path)
    for own in (context, without):
        data = CARDS["investigation"].card.compute(own).data
        assert [fault["kind"] for fault in data["faults"]] == []
    assert [CARDS["investigation"].card.compute(own).data["verdict"] for own in (context, without)] == [
        "real"
    ] * 2


def test_without_late_skills_the_card_says_so(tmp_path: Path) -> None:
    state = SearchState.from_events(whole(tmp_path, repeats=0))
    assert CARDS["late"].card.applies(Context(state, tmp_path)) == "Every skill is evaluated at every rung."
