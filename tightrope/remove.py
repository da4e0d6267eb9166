"""`tightrope rm SEARCH`: removes the folder of a search."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from search.errors import RecordError, TightropeError
from search.output import complain, say
from search.record.files import RecordWriter, is_being_written
from search.recorded import search_folder
from search.tracking.__main__ import LOCK
from search.tracking.store import file_lock
from search.verb import run_verb
from search.wording import plural
from tightrope.words import parse

USAGE = """\
usage: tightrope rm SEARCH [SEARCH ...] [out=FOLDER] [--yes]

Removes the folders of searches, with their records, adapters and reports. What MLflow has of them stays.

  SEARCH        its name, or its folder, which must lie in `out`
  out=FOLDER    the folder of searches; without it, runs
  --yes         remove without asking
"""
_MOST = 1000
_WRITABLE = "Make it writable for this user, then try again."


class RefusedError(TightropeError):
    """Nothing was removed."""

    exit_code = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Removes the searches of a command line; returns the exit code."""
    return run_verb(arguments, USAGE, _remove)


def _remove(words: list[str]) -> int:
    asked = parse(words, ("out",), ("--yes",), least=1, most=_MOST)
    folders = [_in_out(search_folder(word, asked.out), asked.out) for word in asked.searches]
    for folder in dict.fromkeys(folders):
        say(_described(folder))
    if "--yes" not in asked.flags and not _agreed():
        say("Nothing was removed.")
        return 1
    for folder in dict.fromkeys(folders):
        _remove_one(folder)
        say(f"removed {folder}")
    return 0


def _in_out(folder: Path, out: Path) -> Path:
    """The folder, which must be a real one that lies directly in `out`.

    Raises:
        RefusedError: It is not.
    """
    if folder.is_symlink():
        raise RefusedError(
            f"{folder} is a link to {folder.resolve()}.", hint="Name the folder itself, with out=FOLDER."
        )
    if folder.resolve().parent != out.resolve():
        raise RefusedError(
            f"{folder} does not lie in {out}.", hint=f"To remove it, add out={folder.resolve().parent}."
        )
    return folder


def _described(folder: Path) -> str:
    sizes = [path.lstat().st_size for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()]
    return f"{folder}: {plural(len(sizes), 'file')}, {sum(sizes) / 1e6:,.1f} MB"


def _agreed() -> bool:
    """Asks; there must be a terminal to ask on.

    Raises:
        RefusedError: There is none.
    """
    if not sys.stdin.isatty():
        raise RefusedError("There is no terminal to ask on.", hint="To remove without asking, add --yes.")
    complain("Remove? Type yes:")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _remove_one(folder: Path) -> None:
    """Removes a folder while nobody else may write in it.

    Raises:
        RecordError: A search or its MLflow process is writing, or the folder cannot be removed.
    """
    if is_being_written(folder):
        raise RecordError(
            f"Another process is running the search in {folder}.",
            hint=f"End it first: {shlex.join(['tightrope', 'stop', str(folder)])}",
        )
    with _writer(folder), file_lock(folder / LOCK, wait=False) as held:
        if not held:
            raise RecordError(f"{folder} is being written to MLflow.", hint="Try again when that is done.")
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise RecordError(
                f"{folder} cannot be removed ({error.strerror}: {error.filename}).",
                hint=_WRITABLE,
            ) from error


def _writer(folder: Path) -> RecordWriter:
    try:
        return RecordWriter(folder)
    except RecordError as error:
        raise RecordError(error.message, hint=_WRITABLE) from error
