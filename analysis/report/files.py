"""A folder of files, written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from search.errors import RecordError

MARK = "report.json"
"""Every report holds it: a folder without it is somebody else's."""


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Puts the files where a report was or nothing is.

    They are written beside it and the folder is renamed, so that a reader finds the old report or the new
    one, and a failure leaves the old one.

    Args:
        folder: Where to; what is above it is made.
        files: Content by name.

    Raises:
        RecordError: The folder holds something else than a report, or cannot be written.
    """
    if folder.exists() and not (folder / MARK).is_file() and (not folder.is_dir() or any(folder.iterdir())):
        raise RecordError(
            f"{folder} exists and is not a report.", hint="Give an empty or a new folder with out=FOLDER."
        )
    made: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        os.chmod(made, 0o755)
        for name, content in files.items():
            (made / name).write_bytes(content)
        _swap(made, folder)
    except OSError as error:
        raise RecordError(
            f"The report cannot be written to {folder} ({error.strerror}).",
            hint="Nothing is lost: it is made again from the record. Give another folder with out=FOLDER.",
        ) from error
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)


def _swap(made: Path, folder: Path) -> None:
    """Renames `made` to `folder`; the old report takes its place, and goes with it."""
    if not folder.exists():
        made.rename(folder)
        return
    old = made.with_name(f"{made.name}.old")
    folder.rename(old)
    try:
        made.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
