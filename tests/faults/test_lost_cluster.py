"""Ray's own processes are killed: the search says so at once, ends in order, and the same command goes on."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from search.record import Failed, RungReached, SearchEnded, read_events
from tests.distribution import may_start_ray
from tests.searches import ROOT, assert_every_trial_finished_once, count, events_so_far, finish, start
from tests.servers import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.faults, pytest.mark.alone, pytest.mark.long]

SPACE = """
model: embedded
task: lighthouse
capability:
  skills: [{name: facts, path: "embedded:skills/facts.jsonl", limit: 10}]
trials: 3
budget: {steps: 60, rungs: 3}
searcher: random
scheduler: none
parameters:
  lr: {type: log-float, low: 1.0e-4, high: 1.0e-3}
fixed: {rank: 4, batch_size: 4, warmup: 2}
confirm: {candidates: 0}
workers: {groups: 1, slots: 2}
"""


def test_a_process_of_ray_is_killed_without_which_the_driver_cannot_live(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(SPACE)
    folder = tmp_path / "runs" / "lost"
    words = [f"space={tmp_path / 'space.yaml'}", "name=lost", f"out={folder.parent}"]
    name = random.choice(("raylet", "gcs_server"))
    print(f"killed: {name}")
    process = start(*words)
    wait_for(lambda: count(events_so_far(folder), RungReached) > 0, 300)
    children = psutil.Process(process.pid).children(recursive=True)
    follower = [each for each in children if "search.tracking" in " ".join(each.cmdline())]
    next(each for each in children if each.name() == name).kill()
    killed_at = time.monotonic()
    code, output = finish(process, 100)
    assert code == 1, output
    assert time.monotonic() - killed_at < 40, "Ray ends a driver without a control service after 60 s"
    assert "error: The Ray cluster was lost" in output
    assert f"python -m search.run {' '.join(words)}" in output
    assert "Traceback" not in output
    assert "(raylet)" not in output, "Ray prints no pages of its own"
    _, alive = psutil.wait_procs([each for each in children if each not in follower], timeout=60)
    assert not alive, "every process of the search has ended"
    last = read_events(folder)[-1]
    assert isinstance(last, SearchEnded)
    assert (last.reason, "cluster was lost" in last.message) == ("failed", True)
    code, output = finish(start(*words))
    assert code == 0, output
    events = read_events(folder)
    assert_every_trial_finished_once(events, 3)
    assert not [event for event in events if isinstance(event, Failed) and event.trial is not None]


STRUCK = """
import sys, threading, time
import psutil
from search.cluster import start_ray, stop_ray
from search.config.schema import WorkersConfig

def strike():
    driver = psutil.Process()
    while not (victims := [each for each in driver.children(recursive=True) if each.name() == sys.argv[1]]):
        time.sleep(0.01)
    victims[0].kill()
    struck.append(victims[0].pid)

struck = []
threading.Thread(target=strike, daemon=True).start()
start_ray(WorkersConfig())
import ray
assert ray.get(ray.remote(lambda: struck).remote()), "none was killed"
stop_ray()
"""


def test_a_process_of_ray_that_is_killed_as_it_starts_costs_no_search() -> None:
    name = random.choice(("raylet", "gcs_server"))
    print(f"killed: {name}")
    assert may_start_ray()
    struck = subprocess.run([sys.executable, "-c", STRUCK, name], cwd=ROOT, timeout=200, check=False)
    assert struck.returncode == 0
