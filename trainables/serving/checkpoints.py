"""Checkpoints on disk: whole or not there, known to be intact, and no larger than they need to be."""

from __future__ import annotations

import errno
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

from trainables.contents import file_digest, files_at
from trainables.replacement import STORAGE_REFUSED, durable_folder, replacement

MOMENTS = "optimizer.safetensors"
"""Beside what a trial leaves behind: what its training needs to go on as if it had not stopped."""

SUMS = "SHA256SUMS"
"""Beside them: the digests of all other files."""


class DamagedCheckpointError(Exception):
    """A checkpoint is not what was written."""


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
            durable_folder(final.parent)
            with replacement(final, sync=True) as making:
                make(making)
        except (OSError, SafetensorError) as error:
            number = _errno(error)
            if number in STORAGE_REFUSED:
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


def seal(folder: Path) -> None:
    """Writes the digest of every file into `SUMS`, as `sha256sum -c` reads it."""
    lines = [f"{_sha256(file)}  {file.relative_to(folder).as_posix()}\n" for file in files_at(folder)]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def check_seal(folder: Path) -> None:
    """Reads a checkpoint and compares it with what was written. Those of older versions have no seal.

    Moments may be missing: `drop_old_moments` removes them.

    Raises:
        DamagedCheckpointError: A file is missing, or is not as it was written.
        OSError: It cannot be read.
    """
    if not (folder / SUMS).is_file():
        return
    for line in (folder / SUMS).read_text(encoding="utf-8", errors="replace").splitlines():
        digest, _, name = line.partition("  ")
        file = folder / name
        if not file.is_file():
            if name != MOMENTS:
                raise DamagedCheckpointError(f"{file} is missing")
        elif _sha256(file) != digest:
            raise DamagedCheckpointError(f"{file} is not as it was written")


def _sha256(file: Path) -> str:
    return file_digest(file, whole=sys.maxsize)


def drop_old_moments(current: Path) -> None:
    """Deletes the optimizer's moments of rungs that nothing goes on from any more.

    To be called once `current` is recorded as the trial's last rung. The one before keeps its moments, for
    where `current` turns out to be damaged.
    """
    for folder in current.parent.glob("rung-*/"):
        if int(folder.name.rpartition("-")[2]) < int(current.name.rpartition("-")[2]) - 1:
            (folder / MOMENTS).unlink(missing_ok=True)
