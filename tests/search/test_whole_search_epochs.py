"""A search whose trials have their own numbers of steps, killed among trials that train together."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from search.record import RungReached, SearchState, read_events
from tests.ray_cluster import SharedCluster
from tests.searches import assert_every_trial_finished_once, count, finish, kill_when, start

pytestmark = [pytest.mark.integration, pytest.mark.alone]

SPACE = """
model: embedded
task: lighthouse
capability:
  skills: [{name: facts, path: "embedded:skills/facts.jsonl", limit: 20}]
trials: 4
budget: {steps: trial, rungs: 2}
searcher: random
scheduler: none
parameters:
  epochs: {type: int, low: 3, high: 9}
  examples: {type: categorical, choices: [8, 24]}
points: [{epochs: 3, examples: 8}, {epochs: 9, examples: 24}]
fixed: {lr: 1e-3, rank: 4, batch_size: 4, warmup: 2}
confirm: {candidates: 1}
workers: {groups: 1, slots: 2}
"""


def words(out: Path) -> list[str]:
    (out / "space.yaml").write_text(SPACE)
    return [f"space={out / 'space.yaml'}", "name=lengths", f"out={out}"]


def test_it_goes_on_at_each_trials_own_rung(tmp_path: Path, cluster: SharedCluster) -> None:
    folder = tmp_path / "lengths"
    before = kill_when(
        start(*words(tmp_path), cluster=cluster), folder, lambda events: count(events, RungReached) >= 2
    )
    code, output = finish(start(*words(tmp_path), "--json", cluster=cluster, report=True))
    assert code == 0, output
    events = read_events(folder)
    assert events[: len(before)] == before
    assert_every_trial_finished_once(events, 4)
    state = SearchState.from_events(events)
    for trial in state.trials.values():
        epochs, examples = (float(trial.params[name] or 0) for name in ("epochs", "examples"))
        steps = math.ceil(epochs * examples / 4)
        assert trial.proposed.steps == steps
        assert [rung.step for rung in trial.rungs] == [round(steps / 3), steps]
        curve = [step for rung in trial.rungs for step, _ in rung.curve]
        assert curve[-1] == steps
    assert {6, 54} <= {trial.proposed.steps for trial in state.trials.values()}
    assert any(rung.pack > 1 for trial in state.trials.values() for rung in trial.rungs)
    cards = json.loads((folder / "report" / "report.json").read_text())["cards"]
    assert not {name: card["message"] for name, card in cards.items() if card["state"] == "error"}
    used = json.loads(output.splitlines()[-1])["budget"]
    assert used["steps_full"] == sum(
        t.proposed.steps or 0 for t in state.trials.values() if t.confirms is None
    )
