"""Files of a session that are of no use once it has ended; those of killed sessions are found again.

A session that is killed leaves its folder beside Ray's other files, and the folder of the cluster that it had
started. Its own folder holds a lock that ends with its process, and says which folder is Ray's: the next
session removes both.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import time
import uuid
from contextlib import suppress
from pathlib import Path

from search.reach import temporary_folder

SCRATCH = ".ray"
"""Folder in the search's, for what is of no use once the session has ended."""

_LOCK, _RAYS, _FAILED = "lock", "session", "failed"
"""Files in a session's folder: held while it lives, the name of Ray's folder, and whether that is kept."""

_KEPT_SECONDS = 24 * 3600.0
"""How long the logs of a session that has failed are there for whoever looks for the reason."""

_RAYS_NAME = re.compile(r"session_[\d_-]+")
_held: dict[Path, int] = {}


def scratch_folder() -> Path:
    """Where Ray Tune and Ray Train keep files of their own, which nothing reads.

    They do not wait for storage, so that this is beside Ray's other files: a search goes on when its own disk
    is full.
    """
    return temporary_folder() / "ray" / f"tightrope-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def hold(folder: Path) -> None:
    """Makes a session's folder, which other sessions leave alone as long as this process lives."""
    with suppress(OSError):  # whoever writes there says what is wrong with it
        folder.mkdir(parents=True)
        # Under its name only once it is held: one that is not held is that of a session that has ended.
        held = os.open(folder / f".{_LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _held[folder] = held
        (folder / f".{_LOCK}").rename(folder / _LOCK)


def remember(scratch: Path, rays: Path) -> None:
    """Notes which folder holds the files of the cluster that this session has started."""
    with suppress(OSError):
        (scratch / _RAYS).write_text(rays.name, encoding="utf-8")


def mark(folder: Path) -> str:
    """Makes a file in the search's folder by which other machines know whether they share it.

    Returns:
        Its name. Where the disk has no room for it, all workers have their files written for them.
    """
    marker = f"{SCRATCH}/{uuid.uuid4().hex}"
    path = folder / marker
    with suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return marker


def clean_up(scratch: Path, folder: Path, kept: bool = False) -> None:
    """Removes what Ray wrote for itself, and the mark; the record has all that matters.

    Args:
        scratch: The session's folder.
        folder: The search's.
        kept: Whether Ray's logs stay for a day, as the session has failed.
    """
    shutil.rmtree(folder / SCRATCH, ignore_errors=True)
    if kept and (scratch / _RAYS).exists():
        with suppress(OSError):
            (scratch / _FAILED).touch()
    else:
        shutil.rmtree(scratch, ignore_errors=True)
    if scratch in _held:
        os.close(_held.pop(scratch))


def sweep() -> None:
    """Removes what sessions of this user have left that were killed, or failed more than a day ago."""
    with suppress(OSError):
        for folder in (temporary_folder() / "ray").glob("tightrope-*"):
            with suppress(OSError):  # it is another user's, or another session is removing it
                _remove_left(folder)


def _remove_left(folder: Path) -> None:
    """Removes a session's folder and the one of Ray that it names, unless the session lives."""
    if not _is_own(folder):
        return
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        failed = folder / _FAILED
        if failed.exists() and time.time() - failed.stat().st_mtime < _KEPT_SECONDS:
            return
        name = (folder / _RAYS).read_text(encoding="utf-8") if (folder / _RAYS).exists() else ""
        rays = folder.with_name(name) if _RAYS_NAME.fullmatch(name) else None
        if rays is not None and rays.exists():
            if not _is_own(rays) or _in_use(rays):
                return
            remove_rays(rays)
        if rays is None or not rays.exists():
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def remove_rays(folder: Path) -> None:
    """Removes what Ray wrote for a cluster that has ended, and links to it."""
    for link in folder.parent.iterdir():
        if link.is_symlink() and Path(os.path.realpath(link)).is_relative_to(os.path.realpath(folder)):
            link.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _is_own(folder: Path) -> bool:
    """Whether it is a folder, and this user's."""
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def _in_use(folder: Path) -> bool:
    """Whether a process of the cluster is still there: their command lines name its folder."""
    import psutil

    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(str(folder) in word for word in process.cmdline()):
                return True
    return False
