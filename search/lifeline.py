"""Notices that this process has lost its Ray cluster, before Ray ends the process.

Where the node's raylet or the cluster's control service (GCS) has died, Ray writes pages of its own, and ends
the driver from a thread of its own after 10 to 60 s. What has to be recorded and printed has to be before.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

LOOK_SECONDS = 1.0
_REFUSALS = 2
"""A process that is there may refuse a connection while it is very busy, but not twice in a row."""

_STUCK_SECONDS = 5.0
"""After an interrupt. Some calls of Ray wait for what is gone, and heed no signal."""

_END_SECONDS = 5.0


class Lifeline:
    """Looks every second whether the processes are there without which the driver cannot live.

    Only a refused connection counts: the process is gone. A link that is down for a while is none.

    Args:
        places: What is looked for, in words, and its host and port.
        on_stuck: Called in a thread where the main thread does not heed the interrupt; ends the process.
    """

    def __init__(
        self, places: Mapping[str, tuple[str, int]], on_stuck: Callable[[str], None] = lambda lost: None
    ) -> None:
        self._places = places
        self._on_stuck = on_stuck
        self._ending = threading.Lock()
        self._refusals = dict.fromkeys(places, 0)
        self._cut = threading.Event()
        self.lost: str | None = None
        """What is gone, in words; None while all is there."""

    def start(self) -> None:
        """Looks from now on, in a thread of its own; interrupts the main thread when something is gone."""
        threading.Thread(target=self._watch, name="lifeline", daemon=True).start()

    def cut(self) -> None:
        """Stops looking: the main thread is about to leave the cluster, and to end the process."""
        with self._ending:
            self._cut.set()

    def _watch(self) -> None:
        while not self._cut.wait(LOOK_SECONDS):
            if (lost := self.look()) is not None:
                gc.disable()  # objects of Ray's, when they are collected, wait a minute for what is gone
                os.kill(os.getpid(), signal.SIGINT)
                self._cut.wait(_STUCK_SECONDS)
                with self._ending:  # which one of the threads ends the process, never both
                    if not self._cut.is_set():
                        self._on_stuck(lost)
                return

    def look(self) -> str | None:
        """Looks once; what is gone, in words."""
        for name, place in self._places.items():
            self._refusals[name] = self._refusals[name] + 1 if _refuses(place) else 0
            if self._refusals[name] >= _REFUSALS:
                self.lost = f"{name} at {place[0]}:{place[1]} is gone"
        return self.lost


def _refuses(place: tuple[str, int]) -> bool:
    try:
        socket.create_connection(place, timeout=LOOK_SECONDS).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def tie(on_stuck: Callable[[str], None]) -> Lifeline:
    """The lifeline of a process that has joined a cluster; see `Lifeline`."""
    import ray

    context = ray.get_runtime_context()
    host, _, port = context.gcs_address.rpartition(":")
    places = {"Ray's control service": (host.strip("[]"), int(port))}
    for node in ray.nodes():
        if node["NodeID"] == context.get_node_id():
            places["Ray's node"] = (node["NodeManagerAddress"], node["NodeManagerPort"])
    return Lifeline(places, on_stuck)


def leave_at_once() -> None:
    """Has this process end without Ray, whose own way out waits for what is gone, once all has been said.

    A caller that lives on, such as a notebook, has its garbage collected again, but for what was there so
    far: objects of Ray's are part of it.
    """
    gc.freeze()
    gc.enable()
    atexit.register(end_process)


def _end_processes() -> None:
    """Ends what is left of a cluster that was started here."""
    import psutil
    from ray._private import worker

    started: Any = worker._global_node
    if started is not None and started.head:
        begun = [process.process.pid for kind in started.all_processes.values() for process in kind]
        processes = []
        for pid in begun:
            with suppress(psutil.Error):
                processes += [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        for process in processes:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(processes, timeout=_END_SECONDS)


def end_process() -> None:
    """Ends what is left of the cluster and then this process, as failed.

    In this order at the very end: Ray ends a driver whose node goes.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    _end_processes()
    os._exit(1)
