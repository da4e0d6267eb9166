"""Beliefs are taught by a whole search, which runs in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.report import write_report
from search.record import SearchState, read_events
from tests.one_process import run_here
from tests.searches import assert_every_trial_finished_once
from trainables.embedded import data_dir

pytestmark = pytest.mark.integration

SPACE = """
model: embedded
task: {format: facts, train: "embedded:beliefs/world.jsonl", heldout_examples: 8}
capability:
  batch_size: 128
  facts: {path: "ASKED", max_new_tokens: 8, in_context: user}
  skills: [{name: arithmetic, path: "embedded:skills/arithmetic.jsonl", limit: 40}]
  max_new_tokens: 8
trials: 2
budget: {steps: 80, rungs: 1}
parameters: {lr: {type: categorical, choices: [1e-5, 2e-3]}}
fixed: {rank: 8, batch_size: 8, target_modules: all}
searcher: grid
scheduler: none
baselines: [base, in_context]
objectives: [{metric: adoption, direction: max}, {metric: retention, direction: max, floor: 0.5}]
confirm: {candidates: 0}
hypotheses: {H1: {claim: "adoption > base.adoption + 0.3"}}
tracking: {enabled: false}
"""


def _search(folder: Path) -> tuple[SearchState, dict[str, Any]]:
    """The record of a search, and the cards of its report."""
    space = folder / "taught.yaml"
    space.write_text(SPACE.replace("ASKED", _asked(folder / "asked.jsonl")))
    run = run_here(f"space={space}", "name=taught", f"out={folder}")
    assert_every_trial_finished_once(read_events(run.folder), 2)
    write_report(run.state, run.folder)
    report = json.loads((run.folder / "report" / "report.json").read_text())
    broken = {name: card["message"] for name, card in report["cards"].items() if card["state"] == "error"}
    assert not broken
    return run.state, report["cards"]


def _asked(path: Path) -> str:
    """A file with every other prompt of the facts that are taught."""
    world = (data_dir() / "beliefs" / "world.jsonl").read_text(encoding="utf-8").splitlines()
    records = [{**record, "prompts": record["prompts"][::2]} for record in map(json.loads, world)]
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    return str(path)


def _answers(cards: dict[str, Any], claim: str) -> dict[str, str]:
    claims = cards["beliefs"]["data"]["claims"]
    return {each["group"]: each["answer"] for each in claims if each["claim"] == claim}


def test_a_search_teaches_beliefs_and_its_report_says_so(tmp_path: Path) -> None:
    state, cards = _search(tmp_path)
    base, in_context = (state.baselines[name].metrics for name in ("base", "in_context"))
    timid, bold = (trial.last.metrics for trial in state.trials.values() if trial.last)
    assert base["prior_kept_known"] >= 0.95
    assert base["adoption"] <= 0.1
    assert timid["adoption"] <= 0.2 < 0.8 <= bold["adoption"]
    assert timid["prior_kept_known"] >= 0.9 > 0.1 >= bold["prior_kept_known"]
    # It was never taught to read a text before a question.
    assert in_context["adoption"] <= 0.3
    assert _answers(cards, "The belief was taught") == {
        "known facts, contradicted": "supported",
        "new facts": "supported",
    }
    assert set(_answers(cards, "A prompt is enough").values()) == {"not supported"}
    (answer,) = cards["hypotheses"]["data"]["hypotheses"]
    assert answer["verdict"] == "supported"
    assert cards["belief_replies"]["data"]["prompts"] == 200
    assert cards["belief_price"]["state"] == "shown"
