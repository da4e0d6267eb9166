"""Locks between tracking processes; the search itself never takes one."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def file_lock(path: Path, wait: bool) -> Iterator[bool]:
    """Holds the lock on `path`, which the kernel gives up when the process ends in any way.

    Args:
        path: File of the lock; made where absent.
        wait: Whether to wait for it.

    Yields:
        Whether the lock is held; always True with `wait`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            held = True
        except BlockingIOError:
            held = False
        yield held
    finally:
        os.close(descriptor)
