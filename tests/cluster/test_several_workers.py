"""Groups whose workers are on several hosts."""

from __future__ import annotations

import pytest

from search.record import BaselineMeasured, SearchEnded, SlotsChosen
from tests.cluster.ray_up import RayUp
from tests.searches import assert_every_trial_finished_once

pytestmark = [pytest.mark.integration, pytest.mark.cluster, pytest.mark.long]

TRIALS = 2
SPACE = f"""
model: embedded
task: lighthouse
capability:
  skills: [{{name: facts, path: "embedded:skills/facts.jsonl", limit: 10}}]
trials: {TRIALS}
budget: {{steps: 6, rungs: 2}}
searcher: random
scheduler: none
parameters:
  lr: {{type: log-float, low: 1.0e-4, high: 1.0e-3}}
fixed: {{rank: 4, batch_size: 4, warmup: 2}}
confirm: {{candidates: 0}}
workers: {{groups: 1, workers: 2, slots: 2, zero_stage: STAGE}}
"""


@pytest.mark.parametrize("stage", [0, 3])
def test_a_group_spans_two_hosts(hosts: RayUp, stage: int) -> None:
    hosts.wait_for_nodes()
    search = hosts.search(SPACE.replace("STAGE", str(stage)))
    search.finish()
    events = search.events
    assert_every_trial_finished_once(events, TRIALS)
    assert isinstance(events[-1], SearchEnded)
    assert events[-1].reason == "finished"
    chosen = next(event for event in events if isinstance(event, SlotsChosen))
    assert (chosen.groups, chosen.devices) == (1, 2)
    assert any(isinstance(event, BaselineMeasured) for event in events)
