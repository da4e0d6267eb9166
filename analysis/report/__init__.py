"""The report of a search: one HTML page, pictures, tables and numbers.

`python -m analysis.report FOLDER [compare=FOLDER] [out=FOLDER]` makes it from the record.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from search.record import SearchState

__all__ = ["write_report"]

FOLDER = "report"


def write_report(
    state: SearchState,
    folder: Path,
    compare: tuple[SearchState, Path] | None = None,
    out: Path | None = None,
    redact: Callable[[str], str] = str,
) -> Path:
    """Writes the report of a search, whole or not at all.

    Args:
        state: A search that has begun.
        folder: Its folder.
        compare: Another search and its folder, for the same question on another model.
        out: Where to; None is `report` in the search's folder.
        redact: Takes out of a text what must not be shown, such as passwords; applied to every string of the
            record and of its replies, before anything is cut, drawn or packed.

    Returns:
        Path of the page, `report.html`.

    Raises:
        RecordError: The search has not begun, or the folder cannot be written.
    """
    # Plots need seconds of imports, which a search that only knows of reports must not wait for.
    from analysis.report.context import Context
    from analysis.report.write import write

    return write(Context(state, folder, compare, redact), out or folder / FOLDER)
