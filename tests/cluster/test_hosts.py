"""Searches on a cluster of several hosts that `ray up` has brought up."""

from __future__ import annotations

import json

import pytest

from search.record import RungReached, SearchEnded
from tests.cluster.ray_up import RayUp
from tests.searches import assert_every_trial_finished_once
from trainables.serving.checkpoints import check_seal

pytestmark = [pytest.mark.integration, pytest.mark.cluster]

TRIALS = 6
SPACE = f"""
model: embedded
task: lighthouse
capability:
  skills: [{{name: facts, path: "embedded:skills/facts.jsonl", limit: 20}}]
trials: {TRIALS}
budget: {{steps: 30, rungs: 2}}
searcher: random
scheduler: none
parameters:
  lr: {{type: log-float, low: 1.0e-4, high: 1.0e-2}}
fixed: {{rank: 4, batch_size: 4, warmup: 2}}
confirm: {{candidates: 0}}
workers: {{groups: 2, slots: 1}}
"""


def test_a_search_uses_both_hosts_without_a_folder_that_they_share(hosts: RayUp) -> None:
    for worker in hosts.workers:
        (worker.home / "tightrope/trainables/__init__.py").write_text("raise ImportError('stale code')\n")
    search = hosts.search(SPACE)
    search.finish()
    events = search.events
    assert_every_trial_finished_once(events, TRIALS)
    assert {event.group for event in events if isinstance(event, RungReached)} == {"group-0", "group-1"}
    assert isinstance(events[-1], SearchEnded)
    assert events[-1].reason == "finished"
    for event in events:
        if isinstance(event, RungReached):
            check_seal(search.folder / str(event.checkpoint))
            adapter = json.loads((search.folder / str(event.checkpoint) / "adapter_config.json").read_text())
            assert adapter["base_model_name_or_path"] == "/root/model", "as the head has it"
            assert (search.folder / str(event.items_file)).is_file()
    for worker in hosts.workers:
        inputs = [path.name for path in worker.home.glob(".cache/tightrope/inputs/*/*")]
        assert sorted(inputs) == [".lock", ".lock", "model", "train.jsonl"]
        assert not (worker.home / "runs").exists()
        assert not [path for path in (worker.files / "tmp").iterdir() if path.name.startswith("tightrope-")]
