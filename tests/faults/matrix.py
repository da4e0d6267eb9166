"""Kills each process of a search at each kind of event; the same command goes on until the search is done.

    python -m tests.faults.matrix [--kills N] [--seed S] [--processes NAME ...]

Without a number all kills are tried. A search takes up to one for each kind of event. A process that is not
there yet when the event comes is killed as soon as it is; for an event with which a session begins, another
session is begun.
"""

from __future__ import annotations

import argparse
import random
import re
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import psutil
import pytest

from search.record import SearchState, read_events
from tests.mlflow_server import Server
from tests.one_process import run_here
from tests.searches import (
    assert_every_trial_finished_once,
    assert_mlflow_holds,
    events_so_far,
    finish,
    small_space,
    start,
)

TRIALS = 10
SPACE = small_space(TRIALS)
DRIVER, MLFLOW = "driver", "MLflow server"
PROCESSES = {
    "trial actor": r"ray::(TrialActor|ResourceTrainable)",
    "worker": "ray::RayTrainWorker",
    "dispatcher": "ray::_DispatcherProcess",
    "raylet": "/raylet/raylet ",
    "control service": "/gcs/gcs_server ",
    "MLflow follower": r"-m search\.tracking ",
}
EARLY = ("search_started", "session_started", "slots_chosen", "baseline_measured")
LATER = ("trial_proposed", "rung_reached", "decided", "trial_finished", "search_ended")
ALL_EVENTS = (*EARLY, *LATER)
OF_SESSIONS = ("session_started", "slots_chosen")
"""Events of every session."""
ONCE = ("search_started", "baseline_measured", "search_ended")
TRIES = 3
"""Searches in which a kill is tried; a process that is in none of them is never there at that event."""

_MOST_SEARCHES = 40
_MLFLOW_IS_LATE = "does not have the whole search yet"
"""Said where the process that brings MLflow up to date at the end was killed; the same command brings it."""
Values = dict[tuple[int, int], dict[str, float]]


@dataclass(frozen=True)
class Kill:
    """A signal to a process at an event."""

    process: str
    number: signal.Signals
    event: str

    def __str__(self) -> str:
        return f"{self.number.name} to the {self.process} at {self.event}"


def all_kills(processes: Sequence[str] = (DRIVER, MLFLOW, *PROCESSES)) -> list[Kill]:
    """Each process, signal and kind of event."""
    return [Kill(*each) for each in product(processes, (signal.SIGKILL, signal.SIGTERM), ALL_EVENTS)]


def searches(kills: Sequence[Kill]) -> Iterator[list[Kill]]:
    """Groups of kills that one search takes, in the order in which their events come.

    One at each kind of event, and where some of these are used up, more at those that come again and again.
    """
    left = list(kills)
    while left:
        group = [
            kill
            for event in ALL_EVENTS
            if (kill := next((kill for kill in left if kill.event == event), None)) is not None
        ]
        more = [kill for kill in left if kill not in group and kill.event not in ONCE]
        group += more[: len(ALL_EVENTS) - len(group)]
        left = [kill for kill in left if kill not in group]
        yield sorted(group, key=lambda kill: ALL_EVENTS.index(kill.event))


class Survivor:
    """A search that is killed, and the same command that goes on with it.

    Args:
        folder: For its files.
        server: Of MLflow, which is up.
    """

    def __init__(self, folder: Path, server: Server) -> None:
        space = folder / "space.yaml"
        space.write_text(SPACE)
        self.folder = folder / "runs" / "killed"
        self._server = server
        self._words = [f"space={space}", "name=killed", f"out={self.folder.parent}"]
        self._words += [f"tracking.uri={server.uri}"]
        self._processes: list[psutil.Process] = []
        self._process = self._start()
        self.sessions = 1

    def suffer(self, kill: Kill) -> bool:
        """Waits for the event, and kills; whether there was anything to kill before the search was over."""
        before = 0 if kill.event in ONCE else self._count(kill.event)
        if kill.event in OF_SESSIONS and kill.event in self._of_session() and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        while True:
            if self._process.poll() is not None and not self._go_on():
                return False
            if self._count(kill.event) > before and self._kill(kill):
                return True
            time.sleep(0.02)

    def survive(self) -> None:
        """Goes on to the end of the search."""
        while self._go_on():
            pass

    def end(self) -> None:
        """Ends what is left of a search that did not survive."""
        self._process.kill()
        for process in self._processes:
            with suppress(psutil.Error):
                process.kill()

    def check(self, alone: Values) -> None:
        """Compares what there is with a search that was left alone."""
        events = read_events(self.folder)
        assert_every_trial_finished_once(events, TRIALS)
        assert values(SearchState.from_events(events)) == {
            key: pytest.approx(metrics, rel=1e-4, abs=1e-5) for key, metrics in alone.items()
        }
        _, alive = psutil.wait_procs(self._processes, timeout=60)
        assert not alive, f"processes are left: {alive}"
        assert_mlflow_holds(self._server.uri, SearchState.from_events(events))
        unfinished = [path for path in self.folder.rglob(".*") if re.search(r"\.[0-9a-f]{8}$", path.name)]
        assert not unfinished, "nothing half written is left"
        assert not (self.folder / ".ray").exists()

    def _start(self) -> subprocess.Popen[str]:
        return start(*self._words)

    def _count(self, kind: str) -> int:
        return sum(event.event == kind for event in events_so_far(self.folder))

    def _of_session(self) -> list[str]:
        """Kinds of the events of this session so far."""
        kinds = [event.event for event in events_so_far(self.folder)]
        begun = [place for place, kind in enumerate(kinds) if kind == "session_started"]
        return kinds[begun[self.sessions - 1] :] if len(begun) >= self.sessions else []

    def _go_on(self) -> bool:
        """Once the session has ended: says the command again unless the search is done; whether it did."""
        code, output = finish(self._process)
        assert "Traceback" not in output, output
        if code == 0 and _MLFLOW_IS_LATE not in output:
            return False
        if code > 0:
            assert "python -m search.run" in output, f"it says which command goes on ({code}):\n{output}"
        self.sessions += 1
        assert self.sessions <= 2 * len(ALL_EVENTS), output
        self._process = self._start()
        return True

    def _kill(self, kill: Kill) -> bool:
        if kill.process == MLFLOW:
            self._server.kill()
            self._server.start()
            return True
        try:
            driver = psutil.Process(self._process.pid)
            tree = driver.children(recursive=True)
            self._processes = [each for each in {*self._processes, *tree} if each.is_running()]
            if kill.process == DRIVER:
                victims = [driver]
            else:
                victims = [each for each in tree if re.search(PROCESSES[kill.process], _command(each))]
            for victim in victims:
                victim.send_signal(kill.number)
        except psutil.NoSuchProcess:
            return False
        return bool(victims)


def values(state: SearchState) -> Values:
    """Metrics of each rung of each trial."""
    return {
        (trial.number, rung.rung): dict(rung.metrics)
        for trial in state.trials.values()
        for rung in trial.rungs
    }


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def run(kills: Sequence[Kill], folder: Path, say: Callable[[str], None] = print) -> None:
    """Tries kills, several in a search; those before which a search was over are tried in another one.

    Raises:
        AssertionError: Searches did not survive them; the others were tried as well.
    """
    failures, left, tries = [], list(kills), Counter[Kill]()
    (folder / "space.yaml").write_text(SPACE)
    alone = values(run_here(f"space={folder / 'space.yaml'}", "name=alone", f"out={folder}").state)
    for index in range(_MOST_SEARCHES):
        if (group := next(searches(left), None)) is None:
            break
        place = folder / str(index)
        place.mkdir()
        server = Server(place)
        server.start()
        began = time.monotonic()
        try:
            survivor = Survivor(place, server)
            for kill in group:
                if survivor.suffer(kill):
                    say(str(kill))
                    left.remove(kill)
                    continue
                tries[kill] += 1
                if tries[kill] == TRIES:
                    say(f"never there: {kill}")
                    left.remove(kill)
            survivor.survive()
            survivor.check(alone)
            say(f"survived in {survivor.sessions} sessions and {time.monotonic() - began:.0f} s")
        except AssertionError as failure:
            survivor.end()
            failures.append(f"search {index}: {failure}")
            left = [kill for kill in left if kill not in group]
            say(f"FAILED: {failure}")
        finally:
            server.kill()
    assert not failures, "\n\n".join(failures)
    assert not left, f"not tried: {', '.join(map(str, left))}"


def main() -> None:
    """Runs the matrix, or a sample of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, help="so many, drawn at random; all without it")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--processes", nargs="+", default=[DRIVER, MLFLOW, *PROCESSES])
    arguments = parser.parse_args()
    kills = all_kills(arguments.processes)
    random.Random(arguments.seed).shuffle(kills)
    print(f"seed {arguments.seed}: {len(kills[: arguments.kills])} of {len(kills)} kills")
    with tempfile.TemporaryDirectory() as folder:
        run(kills[: arguments.kills], Path(folder))


if __name__ == "__main__":
    main()
