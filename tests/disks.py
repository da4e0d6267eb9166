"""Small disks that can be filled, and what is waited for to be on disk, for tests of storage."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FULL = Path("/dev/full")
"""Reads as zeros, and refuses every write for want of space."""
_CHUNK = 1 << 16


class SmallDisk:
    """A file system of a few MiB.

    Args:
        folder: Where it is mounted.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leaves no byte free."""
        with self._ballast.open("ab", buffering=0) as file:
            size = _CHUNK
            while size:
                try:
                    file.write(bytes(size))
                except OSError:
                    size //= 2

    def free(self) -> None:
        """Gives the space back."""
        self._ballast.unlink()


def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files and folders that were waited for to be on disk, from now on."""
    paths: list[Path] = []
    wait = os.fsync

    def fsync(handle: int) -> None:
        paths.append(Path(os.readlink(f"/proc/self/fd/{handle}")))
        wait(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    return paths


@contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[SmallDisk]:
    """Mounts one for a while; skips the test where that is not allowed.

    Args:
        folder: Where to mount it; made.
        mib: Its size.
    """
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system takes root")
    command = ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        # Lazily: a process that is still ending may have a file open.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def immutable(file: Path) -> Iterator[None]:
    """Nobody can write a file meanwhile, not even who has it open; skips the test where that cannot be."""
    try:
        changed = subprocess.run(["chattr", "+i", str(file)], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no chattr command")
    if changed.returncode != 0:
        pytest.skip(f"no file can be made immutable here: {changed.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", str(file)], check=True)
