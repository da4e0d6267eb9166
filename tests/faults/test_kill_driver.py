"""The driver is killed again and again; the same command goes on and finishes every trial once."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from search.record import BaselineMeasured, RungReached, SearchEnded, SearchState, TrialFinished, read_events
from tests.searches import (
    assert_every_trial_finished_once,
    assert_mlflow_holds,
    count,
    finish,
    kill_when,
    start,
)

pytestmark = [pytest.mark.integration, pytest.mark.faults, pytest.mark.alone]

TRIALS = 6


def words(out: Path) -> list[str]:
    return ["space=demo", f"trials={TRIALS}", "budget.steps=27", f"out={out}"]


def test_killed_at_several_moments_and_resumed(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    moments = [
        lambda events: any(isinstance(event, BaselineMeasured) for event in events),
        lambda events: count(events, RungReached) >= 2,
        lambda events: count(events, TrialFinished) >= 3,
    ]
    for session, enough in enumerate(moments):
        before = kill_when(start(*words(tmp_path)), folder, enough)
        state = SearchState.from_events(before)
        assert len(state.sessions) == session + 1
        assert not any(isinstance(event, SearchEnded) for event in before)
    code, output = finish(start(*words(tmp_path)))
    assert code == 0, output
    events = read_events(folder)
    assert events[: len(before)] == before, "what was recorded stays"
    assert_every_trial_finished_once(events, TRIALS)
    assert sum(isinstance(event, BaselineMeasured) for event in events) == 1, "the base is measured once"
    for trial in state.unfinished.values():
        resumed = [
            event.rung
            for event in events[len(before) :]
            if isinstance(event, RungReached) and event.trial == trial.number
        ]
        assert resumed[:1] == [len(trial.rungs)], "a trial goes on from its last rung"
    assert_mlflow_holds(f"sqlite:///{tmp_path / 'mlflow.db'}", SearchState.from_events(events))


def test_ctrl_c_and_sigterm_stop_cleanly_and_say_how_to_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    # Ctrl-C goes to every process of the foreground group, SIGTERM to the driver alone.
    for session, (send, number) in enumerate([(os.killpg, signal.SIGINT), (os.kill, signal.SIGTERM)]):
        process = start(*words(tmp_path))
        deadline = time.monotonic() + 240
        while count(read_events(folder), RungReached) <= session and time.monotonic() < deadline:
            time.sleep(0.05)
        children = psutil.Process(process.pid).children(recursive=True)
        send(process.pid, number)
        code, output = finish(process, timeout=90)
        assert code == 128 + number, output
        assert "Traceback" not in output, output
        assert f"python -m search.run {' '.join(words(tmp_path))}" in output
        last = read_events(folder)[-1]
        assert isinstance(last, SearchEnded)
        assert last.reason == "interrupted"
        assert (folder / "summary.json").exists()
        _, alive = psutil.wait_procs(children, timeout=30)
        assert not alive, "every process of the search has ended"
    code, output = finish(start(*words(tmp_path)))
    assert code == 0, output
    assert_every_trial_finished_once(read_events(folder), TRIALS)
