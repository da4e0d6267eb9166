"""A search's driver is killed and stopped again and again, and its MLflow server is away for a while.

The same command goes on each time, on a Ray cluster of its own and on one that was there before, and every
trial is finished once.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from search.record import (
    BaselineMeasured,
    Event,
    RungReached,
    SearchEnded,
    SearchState,
    TrialFinished,
    read_events,
)
from tests.mlflow_server import Server
from tests.ray_cluster import SharedCluster
from tests.searches import (
    assert_every_trial_finished_once,
    assert_mlflow_holds,
    count,
    finish,
    kill_when,
    start,
)
from tests.servers import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.faults, pytest.mark.alone]

TRIALS = 6


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


def stop_cleanly(
    process: subprocess.Popen[str], folder: Path, words: list[str], number: int
) -> Sequence[Event]:
    """Sends a signal, which ends the search and its processes in order; returns the record."""
    children = psutil.Process(process.pid).children(recursive=True)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # Ctrl-C goes to every process of the foreground group
    else:
        os.kill(process.pid, number)
    code, output = finish(process, timeout=90)
    assert code == 128 + number, output
    assert "Traceback" not in output, output
    assert f"python -m search.run {' '.join(words)}" in output
    events = read_events(folder)
    assert isinstance(events[-1], SearchEnded)
    assert events[-1].reason == "interrupted"
    assert (folder / "summary.json").exists()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive, "every process of the search has ended"
    return events


def assert_goes_on(before: Sequence[Event], after: Sequence[Event]) -> None:
    """The later record has one session more, which trains unfinished trials on from their last rung."""
    assert list(after[: len(before)]) == list(before), "what was recorded stays"
    assert sum(isinstance(event, BaselineMeasured) for event in after) == 1, "the base is measured once"
    state = SearchState.from_events(before)
    assert len(SearchState.from_events(after).sessions) == len(state.sessions) + 1
    for trial in state.unfinished.values():
        resumed = [
            event.rung
            for event in after[len(before) :]
            if isinstance(event, RungReached) and event.trial == trial.number
        ]
        assert resumed[:1] in ([], [len(trial.rungs)]), "a trial goes on from its last rung"


def test_killed_and_stopped_at_several_moments_and_without_mlflow_for_a_while(
    tmp_path: Path, cluster: SharedCluster, server: Server
) -> None:
    folder = tmp_path / "runs" / "demo"
    words = ["space=demo", f"trials={TRIALS}", "budget.steps=27", f"out={folder.parent}"]
    words += [f"tracking.uri={server.uri}", "workers.groups=1", "workers.slots=2"]

    killed = kill_when(
        start(*words), folder, lambda events: any(isinstance(event, BaselineMeasured) for event in events)
    )
    assert not any(isinstance(event, SearchEnded) for event in killed)
    records = [killed]
    process = start(*words)
    wait_for(lambda: count(read_events(folder), RungReached) >= 1, 240)
    records.append(stop_cleanly(process, folder, words, signal.SIGINT))

    records.append(
        kill_when(start(*words, cluster=cluster), folder, lambda events: count(events, TrialFinished) >= 2)
    )
    process = start(*words, cluster=cluster)
    wait_for(lambda: count(read_events(folder), RungReached) > count(records[-1], RungReached), 240)
    records.append(stop_cleanly(process, folder, [*words, cluster.word], signal.SIGTERM))

    process = start(*words, cluster=cluster)
    try:
        reached = count(records[-1], RungReached)
        wait_for(lambda: count(read_events(folder), RungReached) > reached, 240)
        server.kill()
        away = count(read_events(folder), RungReached)
        wait_for(lambda: count(read_events(folder), RungReached) > away + 2, 60)  # trials go on without it
        server.start()
        code, output = finish(process)
    finally:
        process.kill()
    assert code == 0, output
    records.append(read_events(folder))
    for before, after in pairwise(records):
        assert_goes_on(before, after)
    assert_every_trial_finished_once(records[-1], TRIALS)
    assert_mlflow_holds(server.uri, SearchState.from_events(records[-1]))
