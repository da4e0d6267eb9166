"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

STORAGE_REFUSED = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE)
"""Errors of storage that may be there again later: full, over quota, read-only, broken, or away."""

_UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}")


@contextmanager
def replacement(path: Path, *, sync: bool = False) -> Iterator[Path]:
    """A hidden path beside `path`, at which to make a file or a folder that then takes its place.

    A reader of a file sees the old one or the new one; an old folder goes before the new one comes. Where the
    block fails, what it has made is removed and what was there stays.

    Args:
        path: Where to; its parent must be there.
        sync: Whether to wait until what was made is on disk, for what must outlast the machine.
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        yield part
        if sync:
            _sync(part)
        if part.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        part.rename(path)
        if sync:
            sync_entry(path.parent)  # or the machine may forget the new name
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            with suppress(OSError):
                part.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """A file, or a folder with all that is below it."""
    for entry in [*(path.rglob("*") if path.is_dir() else ()), path]:
        sync_entry(entry)


def sync_entry(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL or not path.is_dir():  # some network file systems sync files alone
            raise
    finally:
        os.close(handle)


def durable_folder(path: Path) -> None:
    """Makes a folder, with those above it, in such a way that the machine does not forget their names."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync_entry(folder.parent)


def remove_unfinished(folder: Path) -> None:
    """Removes what a kill has left in `folder` of replacements; nobody may be making one there."""
    for part in folder.glob(".*"):
        if _UNFINISHED.fullmatch(part.name):
            if part.is_dir():
                shutil.rmtree(part, ignore_errors=True)
            else:
                with suppress(OSError):
                    part.unlink(missing_ok=True)
