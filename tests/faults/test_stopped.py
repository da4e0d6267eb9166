"""A search is stopped twice, and its MLflow server is away for a while.

The same command goes on each time, on a Ray cluster of its own and on one that was there before, and every
trial is finished once. Trials have their own numbers of steps, so that each goes on at a rung of its own.
"""

from __future__ import annotations

import json
import math
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
    read_events,
)
from tests.mlflow_server import Server
from tests.ray_cluster import SharedCluster
from tests.searches import (
    assert_every_trial_finished_once,
    assert_mlflow_holds,
    count,
    events_so_far,
    finish,
    small_space,
    start,
)
from tests.servers import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.faults, pytest.mark.alone]

TRIALS = 8
SPACE = small_space(
    TRIALS,
    limit=20,
    budget={"steps": "trial", "rungs": 2},
    parameters={
        "epochs": {"type": "int", "low": 3, "high": 9},
        "examples": {"type": "categorical", "choices": [8, 24]},
    },
    points=[{"epochs": 3, "examples": 8}, {"epochs": 9, "examples": 24}],
    fixed={"lr": 1e-3, "rank": 4, "batch_size": 4, "warmup": 2},
    confirm={"candidates": 1},
)


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
    code, output = finish(process)
    assert code == 128 + number, output
    assert "Traceback" not in output, output
    assert f"python -m search.run {' '.join(words)}" in output
    events = read_events(folder)
    assert isinstance(events[-1], SearchEnded)
    assert events[-1].reason == "interrupted"
    assert (folder / "summary.json").exists()
    _, alive = psutil.wait_procs(children, timeout=120)
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


def assert_trials_have_their_own_rungs(state: SearchState) -> None:
    """Rungs are shares of each trial's own steps."""
    for trial in state.trials.values():
        epochs, examples = (float(trial.params[name] or 0) for name in ("epochs", "examples"))
        steps = math.ceil(epochs * examples / 4)
        assert trial.proposed.steps == steps
        assert [rung.step for rung in trial.rungs] == [round(steps / 3), steps]
        curve = [step for rung in trial.rungs for step, _ in rung.curve]
        assert curve[-1] == steps
    assert {6, 54} <= {trial.proposed.steps for trial in state.trials.values()}


def test_stopped_on_either_kind_of_cluster_and_without_mlflow_for_a_while(
    tmp_path: Path, cluster: SharedCluster, server: Server
) -> None:
    (tmp_path / "space.yaml").write_text(SPACE)
    folder = tmp_path / "runs" / "lengths"
    words = [f"space={tmp_path / 'space.yaml'}", "name=lengths", f"out={folder.parent}"]
    words += [f"tracking.uri={server.uri}"]

    def reach(more: int) -> None:
        reached = count(events_so_far(folder), RungReached)

        def has() -> bool:
            assert process.poll() is None, "there is nothing left to interrupt"
            return count(events_so_far(folder), RungReached) >= reached + more

        wait_for(has, 600)

    process = start(*words)
    reach(2)
    records = [stop_cleanly(process, folder, words, signal.SIGINT)]
    process = start(*words, cluster=cluster)
    reach(1)
    records.append(stop_cleanly(process, folder, [*words, cluster.word], signal.SIGTERM))

    process = start(*words, "--json", cluster=cluster, report=True)
    try:
        reach(1)
        server.kill()
        reach(3)  # trials go on without it
        server.start()
        code, output = finish(process)
    finally:
        process.kill()
    assert code == 0, output
    records.append(read_events(folder))
    for before, after in pairwise(records):
        assert_goes_on(before, after)
    assert_every_trial_finished_once(records[-1], TRIALS)
    state = SearchState.from_events(records[-1])
    assert_mlflow_holds(server.uri, state)
    assert_trials_have_their_own_rungs(state)
    assert any(rung.pack > 1 for trial in state.trials.values() for rung in trial.rungs)
    cards = json.loads((folder / "report" / "report.json").read_text())["cards"]
    assert not {name: card["message"] for name, card in cards.items() if card["state"] == "error"}
    searched = [trial for trial in state.trials.values() if trial.confirms is None]
    budget = json.loads(output.splitlines()[-1])["budget"]
    assert budget["steps_full"] == sum(trial.proposed.steps or 0 for trial in searched)
