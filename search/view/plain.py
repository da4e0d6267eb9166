"""Plain lines, for files, pipes and CI."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from rich.console import Console

from search.output import write_line
from search.record import Event, SearchState
from search.view.lines import EventLines, restored
from search.view.progress import Progress


class PlainView:
    """Writes one line per event, with the seconds since the session began.

    Args:
        console: Its file is written to directly: lines are not wrapped, and a closed pipe does not end
            the search.
        progress: Follows the search.
    """

    def __init__(self, console: Console, progress: Progress) -> None:
        self._file = console.file
        self._progress = progress
        self._lines = EventLines(progress)
        self._lock = threading.Lock()

    def start(self) -> None:
        """Nothing to prepare."""

    def restore(self, state: SearchState) -> None:
        """Writes one line about what is recorded, where anything is."""
        if state.started is None:
            return
        with self._lock:
            self._progress.restore(state)
            self._lines.restore(state)
            self._write([restored(self._progress)], self._progress.elapsed)

    def __call__(self, event: Event) -> None:
        """Writes the event's line, or waits for the one that completes it."""
        with self._lock:
            self._progress.apply(event)
            self._write(self._lines.take(event), event.time - self._progress.began)

    def note(self, text: str) -> None:
        """Writes the note."""
        with self._lock:
            self._write([text], self._progress.elapsed)

    def close(self) -> None:
        """Writes what was still waiting."""
        with self._lock:
            self._write(self._lines.flush(), self._progress.elapsed)

    def _write(self, lines: Iterable[str], elapsed: float) -> None:
        for line in lines:
            write_line(self._file, f"[{max(elapsed, 0.0):6.1f} s] {line}")
