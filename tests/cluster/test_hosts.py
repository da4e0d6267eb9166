"""Searches on several hosts, on which `ray up` has brought a cluster up, and of which some are lost."""

from __future__ import annotations

import json
import shutil
import signal
import time

import pytest

from search.record import Failed, RungReached, SearchEnded
from tests.cluster.ray_up import RayUp, Search
from tests.searches import assert_every_trial_finished_once, small_space
from tests.servers import wait_for
from trainables.serving.checkpoints import check_seal

pytestmark = [pytest.mark.integration, pytest.mark.faults, pytest.mark.cluster]

TRIALS = 6
SPACE = small_space(TRIALS, budget={"steps": 100, "rungs": 2}, workers={"groups": 2, "slots": 1})


def groups(search: Search) -> set[str | None]:
    """The groups that have trained."""
    return {event.group for event in search.events if isinstance(event, RungReached)}


def assert_whole(search: Search) -> None:
    """Every trial is finished once, and no loss is put down to any."""
    events = search.events
    assert_every_trial_finished_once(events, TRIALS)
    assert not [event for event in events if isinstance(event, Failed)]
    assert isinstance(events[-1], SearchEnded)
    assert events[-1].reason == "finished"


def assert_no_folder_was_shared(cluster: RayUp, search: Search) -> None:
    """What trials left is on the head, and what the search is of has come to the workers once."""
    for event in search.events:
        if isinstance(event, RungReached):
            check_seal(search.folder / str(event.checkpoint))
            adapter = json.loads((search.folder / str(event.checkpoint) / "adapter_config.json").read_text())
            assert adapter["base_model_name_or_path"] == "/root/model", "as the head has it"
            assert (search.folder / str(event.items_file)).is_file()
    for worker in cluster.workers:
        inputs = [path.name for path in worker.home.glob(".cache/tightrope/inputs/*/*")]
        assert sorted(inputs) == [".lock", ".lock", "model", "train.jsonl"]
        assert not (worker.home / "runs").exists()


def test_trials_of_a_host_that_is_to_be_taken_away_go_on_elsewhere(hosts: RayUp) -> None:
    for worker in hosts.workers:
        stale = worker.home / "tightrope/trainables/serving/__init__.py"
        stale.write_text("raise ImportError('stale code')\n")
    search = hosts.search(SPACE)
    wait_for(lambda: len(groups(search)) == 2, 240)
    hosts.announce(hosts.workers[1])
    printed = search.finish()
    assert "its node is about to be taken away" in printed
    assert_whole(search)
    assert_no_folder_was_shared(hosts, search)


@pytest.mark.long
def test_a_head_that_is_lost_is_brought_up_again_and_the_same_command_goes_on(hosts: RayUp) -> None:
    hosts.wait_for_nodes()
    search = hosts.search(SPACE)
    wait_for(lambda: len(groups(search)) == 2, 240)
    recorded = search.events
    hosts.head.end()
    hosts.head.begin()
    wait_for(hosts.head.is_up, 30)
    hosts.up()
    search.again()
    search.finish()
    assert search.events[: len(recorded)] == recorded
    assert_whole(search)


@pytest.mark.long
def test_a_host_that_has_another_version_of_a_package_is_named(hosts: RayUp) -> None:
    hosts.wait_for_nodes()
    other = hosts.workers[0].home / "tightrope" / "peft-0.0.1.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: peft\nVersion: 0.0.1\n")
    try:
        code, output = hosts.search(SPACE).command.finish(200)
    finally:
        shutil.rmtree(other)
    assert code != 0
    assert f"{hosts.workers[0].name} has peft 0.0.1" in output


@pytest.mark.long
@pytest.mark.parametrize("seconds", [15, 30])
def test_a_link_that_is_down_and_a_node_that_is_killed_cost_no_trial(hosts: RayUp, seconds: int) -> None:
    hosts.wait_for_nodes()
    search = hosts.search(SPACE)
    wait_for(lambda: len(groups(search)) == 2, 240)
    hosts.workers[1].link(up=False)
    try:
        time.sleep(seconds)
        assert search.command.running()
    finally:
        hosts.workers[1].link(up=True)
    hosts.workers[0].kill("raylet/raylet", signal.SIGKILL)
    search.finish()
    assert_whole(search)
