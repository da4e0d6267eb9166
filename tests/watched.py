"""Watches a process and all that it starts: where they listen, and what files below a folder hold."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import psutil


class Listener(NamedTuple):
    """A process that listens, by its number, and where."""

    pid: int
    address: str

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it."""
        address = ip_address(self.address)
        mapped = getattr(address, "ipv4_mapped", None)
        return (mapped or address).is_loopback


class Watch:
    """Looks once a second until the block ends.

    Args:
        pid: The process.
        folder: Where it and its children write.
        secret: What no file there may have.
    """

    def __init__(self, pid: int, folder: Path, secret: bytes) -> None:
        self._pid, self._folder, self._secret = pid, folder, secret
        self.listeners: set[Listener] = set()
        self.names: dict[int, set[str]] = {}
        """By the process's number; Ray's workers change theirs with what they do."""
        self.files: set[Path] = set()
        self.leaks: set[Path] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look_on(self) -> None:
        while not self._over.wait(1.0):
            for name, listener in _listeners(self._pid):
                self.listeners.add(listener)
                self.names.setdefault(listener.pid, set()).add(name)
            held = files_with(self._folder, self._secret)
            self.files |= held.keys()
            self.leaks |= {path for path, leaks in held.items() if leaks}


def files_with(folder: Path, secret: bytes) -> dict[Path, bool]:
    """Every file below a folder, and whether the secret is in it."""
    held = {}
    for path in folder.rglob("*"):
        with suppress(OSError):  # it may be gone by now
            if path.is_file():
                held[path] = secret in path.read_bytes()
    return held


def _listeners(pid: int) -> Iterator[tuple[str, Listener]]:
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                for connection in each.net_connections(kind="inet"):
                    if connection.status == psutil.CONN_LISTEN:
                        yield each.name(), Listener(each.pid, connection.laddr.ip)
