"""A search with routing measures its baselines, and its report is whole: in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.report import write_report
from search.record import read_events
from tests.one_process import run_here
from tests.searches import assert_every_trial_finished_once

pytestmark = pytest.mark.integration

SPACE = """
trainable: routing
model: embedded
task:
  name: log
  train: "embedded:domain_train.jsonl"
  heldout: "embedded:domain_heldout.jsonl"
  max_length: 64
  heldout_examples: 8
behaviour: {name: caps, prefixes: 4, max_new_tokens: 8, relearn_steps: 2}
trials: 3
budget: {steps: 6, rungs: 1}
searcher: grid
scheduler: none
guards: {spike: null}
parameters: {seed: {type: categorical, choices: [0, 1, 2]}}
fixed: {lr: 1e-2, rank: 8, batch_size: 4, target_modules: all}
baselines: [base, clean, single]
objectives:
  - {metric: clean_loss_bad_off, direction: min}
  - {metric: behaviour_rate_bad_off, direction: min}
confirm: {candidates: 0}
hypotheses: {localised: {claim: "behaviour_rate_good_off > behaviour_rate_bad_off", over: all}}
tracking: {enabled: false}
"""
CARDS = ("ablations", "ablation_losses", "relearning", "angles", "layer_angles", "ablated_samples")


def test_its_baselines_are_measured_and_the_report_is_whole(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(SPACE)
    run = run_here(f"space={tmp_path / 'space.yaml'}", "name=routed", f"out={tmp_path}")
    assert_every_trial_finished_once(read_events(run.folder), 3)
    assert list(run.state.baselines) == ["base", "clean", "single"]
    assert list(run.ended.hypotheses) == ["localised"]
    write_report(run.state, run.folder)
    cards = json.loads((run.folder / "report" / "report.json").read_text())["cards"]
    assert not {name: card["message"] for name, card in cards.items() if card["state"] == "error"}
    assert {name: cards[name]["state"] for name in CARDS} == dict.fromkeys(CARDS, "shown")
    assert "mean over 3 seeds" in cards["verdict"]["texts"][0]
