"""The live view of a terminal."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress

from rich.console import Console, RenderableType
from rich.live import Live

from search.output import write_line
from search.record import Event, SearchState
from search.view.lines import EventLines, restored
from search.view.panel import draw
from search.view.progress import Progress

_MESSAGES = 8
_PER_SECOND = 4


class LiveView:
    """Redraws the search four times a second in rich's own thread; an event only changes what is drawn.

    It disappears when closed: the summary takes its place.

    Args:
        console: A terminal.
        progress: Follows the search.
    """

    def __init__(self, console: Console, progress: Progress) -> None:
        self._console = console
        self._progress = progress
        self._lines = EventLines(progress)
        self._messages: deque[str] = deque(maxlen=_MESSAGES)
        self._lock = threading.Lock()
        self._live: Live | None = None

    def start(self) -> None:
        """Begins to draw."""
        live = Live(
            console=self._console,
            get_renderable=self.render,
            refresh_per_second=_PER_SECOND,
            transient=True,
        )
        self._live = live
        with suppress(OSError):
            live.start()

    def restore(self, state: SearchState) -> None:
        """Shows what is recorded as part of the whole."""
        if state.started is None:
            return
        with self._lock:
            self._progress.restore(state)
            self._lines.restore(state)
            self._say([restored(self._progress)], self._progress.elapsed)

    def __call__(self, event: Event) -> None:
        """Takes the event into account; it is seen when next drawn."""
        with self._lock:
            self._progress.apply(event)
            self._say(self._lines.take(event), event.time - self._progress.began)

    def note(self, text: str) -> None:
        """Shows the note among the latest events, or as a line of its own where nothing is drawn."""
        if self._live is None:
            write_line(self._console.file, text)
            return
        with self._lock:
            self._say([text], self._progress.elapsed)

    def close(self) -> None:
        """Stops drawing."""
        live, self._live = self._live, None
        if live is not None:
            # A terminal that has gone away is no reason for a search to fail.
            with suppress(OSError):
                live.stop()

    def render(self) -> RenderableType:
        """What to draw now."""
        with self._lock:
            return draw(self._progress, list(self._messages), self._console.width, self._console.height)

    def _say(self, lines: list[str], elapsed: float) -> None:
        self._messages.extend(f"[{max(elapsed, 0.0):6.1f} s] {line}" for line in lines)
