"""Checkpoints on storage that nodes share: whole or not there, and no larger than they need to be."""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

from trainables.replacement import replacement

MOMENTS = "optimizer.safetensors"
"""Beside what a trial leaves behind: what its training needs to go on as if it had not stopped."""

_STORAGE_REFUSED = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST)
"""Another worker, of a group that was given up, has put its own there in between."""
_RETRY_SECONDS = 5.0


def write_whole(
    final: Path,
    write: Callable[[Path], None],
    retry_seconds: float = _RETRY_SECONDS,
    say: Callable[[str], None] = lambda text: None,
) -> None:
    """Has `write` fill a folder beside `final`, and moves it there once it is on disk.

    Where the storage refuses (full, quota, read-only), this waits and tries again: a trial is not
    lost for want of space.

    Args:
        final: The folder.
        write: Fills the folder that it is given.
        retry_seconds: Time between tries while storage refuses.
        say: Called with a sentence when storage begins to refuse, and when it no longer does.
    """

    def make(making: Path) -> None:
        making.mkdir()
        write(making)

    _persist(final, make, retry_seconds, say)


def write_whole_file(
    final: Path,
    write: Callable[[Path], None],
    retry_seconds: float = _RETRY_SECONDS,
    say: Callable[[str], None] = lambda text: None,
) -> None:
    """`write_whole` of a single file."""
    _persist(final, write, retry_seconds, say)


def _persist(
    final: Path, make: Callable[[Path], None], retry_seconds: float, say: Callable[[str], None]
) -> None:
    """Has `make` make `final` under another name first, again where the storage refuses."""
    refused = False
    while True:
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            with replacement(final, sync=True) as making:
                make(making)
        except (OSError, SafetensorError) as error:
            number = _errno(error)
            if number in _STORAGE_REFUSED:
                if not refused:
                    say(f"{final} cannot be written ({os.strerror(number)}); waiting for storage.")
                refused = True
            elif number not in _TAKEN:
                raise
        else:
            if refused:
                say(f"{final} is written: storage is there again.")
            return
        if refused:
            time.sleep(retry_seconds)


def _errno(error: OSError | SafetensorError) -> int | None:
    """The system's number of an error; safetensors has it in its text alone."""
    if isinstance(error, OSError):
        return error.errno
    match = re.search(r"\(os error (\d+)\)", str(error))
    return None if match is None else int(match[1])


def drop_old_moments(current: Path) -> None:
    """Deletes the optimizer's moments of the rungs before `current`, which nothing goes on from any more.

    To be called once `current` is recorded as the trial's last rung: until then the one before may
    still be needed.
    """
    for folder in current.parent.glob("rung-*/"):
        if int(folder.name.rpartition("-")[2]) < int(current.name.rpartition("-")[2]):
            (folder / MOMENTS).unlink(missing_ok=True)
