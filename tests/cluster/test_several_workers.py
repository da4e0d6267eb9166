"""Groups whose workers are on several hosts."""

from __future__ import annotations

import pytest

from search.record import BaselineMeasured, SearchEnded, SlotsChosen
from tests.cluster.ray_up import RayUp
from tests.searches import assert_every_trial_finished_once, small_space

pytestmark = [pytest.mark.integration, pytest.mark.cluster, pytest.mark.long]

TRIALS = 2


@pytest.mark.parametrize("stage", [0, 3])
def test_a_group_spans_two_hosts(hosts: RayUp, stage: int) -> None:
    hosts.wait_for_nodes()
    workers = {"groups": 1, "workers": 2, "slots": 2, "zero_stage": stage}
    search = hosts.search(small_space(TRIALS, budget={"steps": 6, "rungs": 2}, workers=workers))
    search.finish()
    events = search.events
    assert_every_trial_finished_once(events, TRIALS)
    assert isinstance(events[-1], SearchEnded)
    assert events[-1].reason == "finished"
    chosen = next(event for event in events if isinstance(event, SlotsChosen))
    assert (chosen.groups, chosen.devices) == (1, 2)
    assert any(isinstance(event, BaselineMeasured) for event in events)
