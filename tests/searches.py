"""Runs real searches in processes of their own, for tests of whole runs and of kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from search.record import Event, RungReached, TrialFinished, read_events

ROOT = Path(__file__).parents[1]


def start(*words: str) -> subprocess.Popen[str]:
    """Starts `python -m search.run` in a process group of its own; ends it with `stop`."""
    return subprocess.Popen(
        [sys.executable, "-m", "search.run", *words],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], timeout: float = 300) -> tuple[int, str]:
    """Waits for the end; exit code and everything printed."""
    try:
        output, _ = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        raise AssertionError(f"the search did not end in {timeout} s; it printed:\n{output}") from None
    return process.returncode, output


def kill_when(
    process: subprocess.Popen[str],
    folder: Path,
    enough: Callable[[Sequence[Event]], bool],
    timeout: float = 240,
) -> list[Event]:
    """Kills the driver with SIGKILL as soon as its record satisfies `enough`; returns the record."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"the search ended before it could be killed:\n{process.communicate()[0]}")
        if enough(read_events(folder)):
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
            return read_events(folder)
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"the record never got there; printed:\n{process.communicate()[0]}")


def count(events: Sequence[Event], kind: type[RungReached] | type[TrialFinished]) -> int:
    """Number of events of a kind."""
    return sum(isinstance(event, kind) for event in events)


def assert_every_trial_finished_once(events: Sequence[Event], trials: int) -> None:
    """Each of the trials has one end, and its rungs are 0, 1, 2 ... each once."""
    ends = Counter(event.trial for event in events if isinstance(event, TrialFinished))
    assert ends == Counter(range(trials))
    rungs: dict[int, list[int]] = {}
    for event in events:
        if isinstance(event, RungReached):
            rungs.setdefault(event.trial, []).append(event.rung)
    assert all(seen == list(range(len(seen))) for seen in rungs.values()), rungs
