"""A whole search with routing: trials of two adapters share passes, and its report is whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from search.record import SearchEnded, SearchState, read_events
from tests.ray_cluster import SharedCluster
from tests.searches import assert_every_trial_finished_once, finish, start

pytestmark = [pytest.mark.integration, pytest.mark.alone]

SPACE = """
trainable: routing
model: embedded
task:
  name: log
  train: "embedded:domain_train.jsonl"
  heldout: "embedded:domain_heldout.jsonl"
  max_length: 64
  heldout_examples: 48
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
workers: {groups: 1, slots: 3}
tracking: {enabled: false}
"""
CARDS = ("ablations", "ablation_losses", "relearning", "angles", "layer_angles", "ablated_samples")


def test_trials_share_passes_beside_their_baselines_and_the_report_is_whole(
    tmp_path: Path, cluster: SharedCluster
) -> None:
    (tmp_path / "space.yaml").write_text(SPACE)
    words = [f"space={tmp_path / 'space.yaml'}", "name=routed", f"out={tmp_path}"]
    code, output = finish(start(*words, cluster=cluster, report=True))
    assert code == 0, output
    events = read_events(tmp_path / "routed")
    assert_every_trial_finished_once(events, 3)
    state = SearchState.from_events(events)
    assert list(state.baselines) == ["base", "clean", "single"]
    assert any(rung.pack > 1 for trial in state.trials.values() for rung in trial.rungs)
    ended = events[-1]
    assert isinstance(ended, SearchEnded)
    assert list(ended.hypotheses) == ["localised"]
    cards = json.loads((tmp_path / "routed" / "report" / "report.json").read_text())["cards"]
    assert not {name: card["message"] for name, card in cards.items() if card["state"] == "error"}
    assert {name: cards[name]["state"] for name in CARDS} == dict.fromkeys(CARDS, "shown")
    assert "(mean over 3 seeds)" in cards["verdict"]["texts"][0]
