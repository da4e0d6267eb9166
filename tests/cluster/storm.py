"""A long search on several hosts of which processes are killed all the time.

    python -m tests.cluster.storm [--trials 200] [--every 20] [--seed S]

Needs root, sshd and rsync. Every so many seconds a process drawn at random is killed: a worker, a node of the
cluster, a trial's actor, or, less often, the dispatcher or the driver. Where the session has ended the same
command goes on.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from search.record import BaselineMeasured, SearchEnded, SearchState
from tests.cluster.hosts import Host, missing
from tests.cluster.ray_up import RayUp, Search, has_node
from tests.searches import assert_every_trial_finished_once, small_space

WORKERS = {"groups": 2, "slots": 1, "max_failures": 1000}
ON_WORKERS = ("ray::RayTrainWorker", "raylet/raylet ")
TRIAL_ACTOR = "ray::(TrialActor|ResourceTrainable)"
WEIGHTS = dict.fromkeys((*ON_WORKERS, TRIAL_ACTOR), 4) | {"ray::_DispatcherProcess": 1, "-m search.run": 1}
_LONGEST = 3600.0
_GIVEN_UP = 120.0
"""Ray's autoscaler does not try a machine again on which Ray has once not started in time."""


def strike(cluster: RayUp, draw: random.Random) -> str | None:
    """Kills a process and says which; None: what was drawn is not there just now."""
    words = draw.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    host: Host = draw.choice(cluster.workers) if words in ON_WORKERS else cluster.head
    processes = host.processes(words)
    if not processes:
        return None
    draw.choice(processes).kill()
    return f"{words.strip()} on {host.name}"


def storm(cluster: RayUp, trials: int, every: float, seed: int) -> dict[str, object]:
    """Runs the search; what happened."""
    draw, struck, began = random.Random(seed), Counter[str](), time.monotonic()
    search = cluster.search(small_space(trials, budget={"steps": 12, "rungs": 2}, workers=WORKERS))
    next_strike, sessions, ups, complete = began + every, 1, 0, began
    while True:
        if all(map(has_node, cluster.workers)):
            complete = time.monotonic()
        elif time.monotonic() - complete > _GIVEN_UP:
            cluster.up()
            ups, complete = ups + 1, time.monotonic()
        if not search.command.running():
            if ended(search):
                break
            search.again()
            sessions += 1
        if time.monotonic() >= next_strike:
            next_strike = time.monotonic() + every
            if (name := strike(cluster, draw)) is not None:
                struck[name] += 1
                print(f"[{time.monotonic() - began:6.0f} s] killed: {name}", flush=True)
        assert time.monotonic() - began < _LONGEST, search.command.output.read_text()
        time.sleep(0.5)
    events = search.events
    assert_every_trial_finished_once(events, trials)
    first = next(event.time for event in events if isinstance(event, BaselineMeasured))
    completed = Counter(trial.status for trial in SearchState.from_events(events).trials.values())
    assert completed == {"completed": trials}
    return {
        "trials": trials,
        "seed": seed,
        "kills": sum(struck.values()),
        "sessions": sessions,
        "ups": ups,
        "to_base_measured_s": round(first - events[0].time, 1),
        "seconds": round(time.monotonic() - began),
        "killed": dict(struck),
    }


def ended(search: Search) -> bool:
    """Whether the search is done."""
    events = search.events
    return bool(events) and isinstance(events[-1], SearchEnded) and events[-1].reason == "finished"


def main() -> None:
    """Prints a line for each kill, and what happened as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--every", type=float, default=20.0, help="seconds between two kills")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    if (reason := missing()) is not None:
        parser.error(reason)
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="storm-", dir="/tmp") as folder:
        cluster = RayUp(Path(folder))
        try:
            cluster.up()
            print(json.dumps(storm(cluster, options.trials, options.every, options.seed)), flush=True)
        finally:
            cluster.end()


if __name__ == "__main__":
    main()
