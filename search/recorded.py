"""Searches that were recorded: found by folder or name, and opened."""

from __future__ import annotations

from pathlib import Path

from search.errors import RecordError
from search.record import SearchState, read_events
from search.record.files import EVENTS
from trainables.data.sources import user_path
from trainables.nearest import did_you_mean

OUT = "runs"
"""Where searches are, unless `out` says otherwise."""


class NoSearchError(RecordError):
    """What was named is no search."""

    exit_code = 2


def search_folder(word: str | Path, out: str | Path = OUT) -> Path:
    """The folder of a search.

    Args:
        word: The folder, or where there is no search in one of this name, its name in `out`.
        out: The folder of searches.

    Raises:
        NoSearchError: There is no search.
    """
    given, searches = user_path(str(word)), user_path(str(out))
    for folder in (given, searches / word):
        if (folder / EVENTS).is_file():
            return folder
    names = sorted(path.parent.name for path in searches.glob(f"*/{EVENTS}"))
    if given.is_dir():
        raise NoSearchError(f"{word} is not a search's folder: it has no {EVENTS}.", _hint(word, names, out))
    raise NoSearchError(f"There is no search {word}.", _hint(word, names, out))


def _hint(word: str | Path, names: list[str], out: str | Path) -> str:
    if not names:
        return f"{out} contains no searches: give the folder of a search."
    return f"In {out}, {did_you_mean(Path(word).name, names)}"


def load(folder: Path) -> SearchState:
    """The state of the search recorded in a folder.

    Raises:
        RecordError: The record is damaged, or the search has not begun.
    """
    state = SearchState.from_events(read_events(folder))
    if state.started is None:
        raise NoSearchError(f"{folder} contains no search that has started.")
    return state


def open_search(word: str | Path, out: str | Path = OUT) -> tuple[Path, SearchState]:
    """A search's folder, as `search_folder` finds it, and its state.

    Raises:
        RecordError: There is no search, or its record is damaged.
    """
    folder = search_folder(word, out)
    return folder, load(folder)
