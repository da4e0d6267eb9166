"""Searches on a cluster of several hosts that `ray up` has brought up."""

from __future__ import annotations

import pytest

from search.record import RungReached, SearchEnded
from tests.cluster.ray_up import RayUp
from tests.searches import assert_every_trial_finished_once

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


def test_a_search_uses_the_workers_of_both_hosts(hosts: RayUp) -> None:
    search = hosts.search(SPACE)
    search.finish()
    events = search.events
    assert_every_trial_finished_once(events, TRIALS)
    assert {event.group for event in events if isinstance(event, RungReached)} == {"group-0", "group-1"}
    assert isinstance(events[-1], SearchEnded)
    assert events[-1].reason == "finished"
