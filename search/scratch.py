"""Files of a session that are of no use once it has ended."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path

from search.reach import temporary_folder

SCRATCH = ".ray"
"""Folder in the search's, for what is of no use once the session has ended."""


def scratch_folder() -> Path:
    """Where Ray Tune and Ray Train keep files of their own, which nothing reads.

    They do not wait for storage, so that this is beside Ray's other files: a search goes on when its own disk
    is full.
    """
    return temporary_folder() / "ray" / f"tightrope-{os.getpid()}-{uuid.uuid4().hex[:8]}"


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


def clean_up(scratch: Path, folder: Path) -> None:
    """Removes what Ray wrote for itself, and the mark; the record has all that matters."""
    for left in (scratch, folder / SCRATCH):
        shutil.rmtree(left, ignore_errors=True)
