"""A folder of files, written whole or not at all."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from search.errors import RecordError

MARK = "report.json"
"""Every report holds it: a folder without it is somebody else's."""

_NEW, _OLD = ".new", ".old"


class NotAReportError(RecordError):
    """The folder that was named holds something else."""

    exit_code = 2


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Puts the files where a report was or nothing is.

    They are written beside it and the folder is renamed, so that a reader finds the old report or the new
    one, and a failure leaves the old one. Where a kill came between the two renames, the next call finds the
    old report and brings it back before anything else.

    Args:
        folder: Where to; what is above it is made. Of a link, the folder that it leads to.
        files: Content by name.

    Raises:
        RecordError: The folder holds something else than a report, or cannot be written.
    """
    place = Path(os.path.realpath(folder))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with _alone(place.parent):
            _tidy(place)
            if not _is_free(place):
                raise NotAReportError(
                    f"{folder} exists and is not a report.",
                    hint="Give an empty or a new folder with out=FOLDER.",
                )
            _write(place, files)
    except OSError as error:
        raise RecordError(
            f"The report cannot be written to {folder} ({error.strerror or error}).",
            hint=(
                "Nothing is lost: it can be written again from the record. Give another folder with "
                "out=FOLDER."
            ),
        ) from error


@contextmanager
def _alone(parent: Path) -> Iterator[None]:
    """Keeps other writers of this machine out, as far as the file system has locks; a kill lets go."""
    descriptor = os.open(parent, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _tidy(folder: Path) -> None:
    """Brings back a report that a kill has left under another name, and removes what else it left."""
    form = re.compile(re.escape(f".{folder.name}.") + rf"\w{{8}}({re.escape(_NEW)}|{re.escape(_OLD)})")
    left = [path for path in folder.parent.iterdir() if form.fullmatch(path.name)]
    whole = [path for path in left if path.suffix == _OLD and (path / MARK).is_file()]
    if whole and not folder.exists():
        max(whole, key=lambda path: path.stat().st_mtime).rename(folder)
    for path in left:
        shutil.rmtree(path, ignore_errors=True)


def _is_free(folder: Path) -> bool:
    """Whether a report or nothing is there."""
    if not folder.exists() or (folder / MARK).is_file():
        return True
    return folder.is_dir() and not any(folder.iterdir())


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.", suffix=_NEW))
    try:
        os.chmod(made, 0o755)
        for name, content in files.items():
            (made / name).write_bytes(content)
        _swap(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _swap(made: Path, folder: Path) -> None:
    """Renames `made` to `folder`; the old report takes its place, and goes with it."""
    if not folder.exists():
        made.rename(folder)
        return
    old = made.with_suffix(_OLD)
    try:
        folder.rename(old)
        made.rename(folder)
    except BaseException:  # Ctrl-C too
        if not folder.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
