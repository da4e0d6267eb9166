"""Run by `tests.test_plugins` in a copy of the project that has the plug-ins of CONTRIBUTING.md."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from rich.console import Console

from analysis.report.build import make
from analysis.report.cards import cards
from analysis.report.context import Context
from analysis.summary import write_summary
from search.config.library import listing_text
from search.config.load import load_config
from search.config.schema import SearchConfig
from search.errors import ConfigError
from search.plan import make_plan
from search.plan.view import print_plan
from search.record import SearchState, read_events
from search.tracking.mlflow_projection import Projection
from tests.one_process import run_here

SEARCH = (
    "space=demo",
    "name=toys",
    "trials=3",
    "budget.steps=4",
    "budget.rungs=2",
    "searcher=corners",
    "searcher.margin=0.2",
    "scheduler=median",
    "scheduler.trials=2",
    "guards.collapse=0.01",
    "guards.retention=null",
    "baselines=[base,brief]",
    "confirm.candidates=0",
    "objectives=[{metric: train_loss, direction: min}, {metric: single_word, direction: min}]",
    "capability.max_new_tokens=8",
    "capability={skills: [{name: facts, path: embedded:skills/facts.jsonl, limit: 5}]}",
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    records = [{"ask": f"Who keeps light {number}?", "reply": "Airdrie."} for number in range(20)]
    (tmp_path / "asked.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return tmp_path


def load(*words: str) -> SearchConfig:
    given = {word.partition("=")[0] for word in words}
    kept = [word for word in SEARCH if word.partition("=")[0] not in given]
    return load_config([*kept, *words]).config


@pytest.mark.parametrize("name", ["corners", "median", "ask_reply", "collapse", "brief", "accent"])
def test_it_is_listed_with_its_line(name: str) -> None:
    assert f"  {name}" in listing_text()


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("searcher=cornrs", "corners"),
        ("searcher.margn=0.1", "searcher.margin"),
        ("searcher.margin=2", ""),
        ("scheduler=meddian", "median"),
        ("scheduler.trails=2", "scheduler.trials"),
        ("guards.colapse=0.1", "guards.collapse"),
        ("guards.collapse=7", ""),
        ("baselines=[bref]", "brief"),
        ("task.format=ask_repli", "ask_reply"),
        ("objectives.1.metric=single_wrd", "single_word"),
        ("trials=13", "choose 12 or 14"),
    ],
)
def test_a_wrong_word_is_refused_with_what_was_meant(word: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(word)
    (problem,) = caught.value.problems
    assert hint in (problem.hint or "")


def test_a_plan_shows_them() -> None:
    console = Console(width=200, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    print_plan(make_plan(load("task={name: asked, train: asked.jsonl}")), console)
    text = console.export_text()
    for words in ("by corners", "median: from 2 trials on", "guards.collapse=0.01", "ask_reply (ask, reply)"):
        assert words in text


def test_a_search_measures_records_and_shows_them(folder: Path) -> None:
    """The record, and what is made of it, know the plug-ins."""
    assert run_here(*SEARCH).folder == folder / "runs" / "toys"
    record = read_events(folder / "runs" / "toys")
    state = SearchState.from_events(record)
    assert state.started is not None
    assert SearchConfig.model_validate(state.started.config) == load()
    assert list(state.baselines) == ["base", "brief"]
    assert all("single_word" in rung.metrics for trial in state.trials.values() for rung in trial.rungs)
    assert state.baselines["brief"].items_file is not None
    assert "median of" in "".join(d.reason for t in state.trials.values() for d in t.decisions.values())
    summary = write_summary(state, folder / "runs" / "toys")
    assert summary["baselines"].keys() == {"base", "brief"}
    assert "brief" in (folder / "runs" / "toys" / "summary.md").read_text()
    made = {card.card.name: card for card in make(cards(), Context(state, folder / "runs" / "toys"))}
    assert {name: card.message for name, card in made.items() if card.state == "error"} == {}
    assert made["fastest"].state == "shown"
    verdict, words = made["verdict"].findings, made["vocabulary"].findings
    assert verdict is not None
    assert words is not None
    assert "baseline brief" in verdict.tables[0].columns
    assert "single_word" in words.data["metrics"]
    projection = Projection()
    for event in record:
        projection.apply(event)
    names = {run.name: {point.key for point in run.points} for run in projection.runs.values()}
    assert any("brief" in name for name in names)
    assert any("single_word" in points for points in names.values())
