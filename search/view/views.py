"""The views of a search: live on a terminal, plain lines in files, pipes and CI."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol

from rich.console import Console, RenderableType
from rich.live import Live

from search.config.schema import SearchConfig
from search.output import write_line
from search.record import Event, SearchState
from search.record.clock import now
from search.view.lines import EventLines, restore_line
from search.view.panel import draw
from search.view.progress import Progress
from trainables.progress import without_amounts

_MESSAGES = 8
_PER_SECOND = 4


class View(Protocol):
    """Shows a search as it goes.

    Every method may be called from any thread, returns at once and never raises on account of the
    terminal: a search does not depend on being seen.
    """

    @property
    def pace(self) -> float:
        """Least seconds between notes that differ in an amount alone."""
        ...

    def start(self) -> None:
        """The session begins."""
        ...

    def restore(self, state: SearchState) -> None:
        """Takes what was recorded before this session; the state is not kept, nor changed later."""
        ...

    def __call__(self, event: Event) -> None:
        """Takes an event that has just been recorded."""
        ...

    def note(self, text: str) -> None:
        """Shows what happens beside the events, for example that Ray is starting."""
        ...

    def close(self) -> None:
        """The session is over; notes may still follow. Idempotent."""
        ...


class _EventView(ABC):
    """What views have in common: the search's progress, and a line for each event of it.

    Args:
        progress: Follows the search.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lines = EventLines(progress)
        self._lock = threading.Lock()

    def restore(self, state: SearchState) -> None:
        """Takes what is recorded as part of the whole, and shows one line about it where anything is."""
        if state.started is None:
            return
        with self._lock:
            self._progress.restore(state)
            self._lines.restore(state)
            self._show([restore_line(self._progress)], self._progress.elapsed)

    def __call__(self, event: Event) -> None:
        """Shows the event's line, or waits for the event that completes it."""
        with self._lock:
            self._progress.apply(event)
            self._show(self._lines.take(event), event.time - self._progress.began)

    def note(self, text: str) -> None:
        """Shows the note."""
        with self._lock:
            self._show([text], self._progress.elapsed)

    def _show(self, lines: Iterable[str], elapsed: float) -> None:
        self._put(f"[{max(elapsed, 0.0):6.1f} s] {line}" for line in lines)

    @abstractmethod
    def _put(self, lines: Iterable[str]) -> None: ...


class PlainView(_EventView):
    """Writes one line per event, with the seconds since the session began.

    Attributes:
        pace: See `View.pace`.

    Args:
        console: Its file is written to directly: lines are not wrapped, and a closed pipe does not end
            the search.
        progress: Follows the search.
    """

    pace = 30.0

    def __init__(self, console: Console, progress: Progress) -> None:
        super().__init__(progress)
        self._file = console.file

    def start(self) -> None:
        """Nothing to prepare."""

    def close(self) -> None:
        """Writes what was still waiting."""
        with self._lock:
            self._show(self._lines.flush(), self._progress.elapsed)

    def _put(self, lines: Iterable[str]) -> None:
        for line in lines:
            write_line(self._file, line)


class LiveView(_EventView):
    """Redraws the search four times a second in rich's own thread; an event only changes what is drawn.

    It disappears when closed: the summary takes its place.

    Attributes:
        pace: See `View.pace`.

    Args:
        console: A terminal.
        progress: Follows the search.
    """

    pace = 3.0

    def __init__(self, console: Console, progress: Progress) -> None:
        super().__init__(progress)
        self._noted = ""
        self._console = console
        self._messages: deque[str] = deque(maxlen=_MESSAGES)
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

    def note(self, text: str) -> None:
        """Shows the note among the latest events, or as a line of its own where nothing is drawn.

        One that differs from the one before in an amount alone takes its place.
        """
        if self._live is None:
            write_line(self._console.file, text)
            return
        with self._lock:
            last = bool(self._noted) and bool(self._messages) and self._messages[-1].endswith(self._noted)
            if last and without_amounts(self._noted) == without_amounts(text):
                self._messages.pop()
            self._noted = text
            self._show([text], self._progress.elapsed)

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

    def _put(self, lines: Iterable[str]) -> None:
        self._messages.extend(lines)


def make_view(
    console: Console,
    config: SearchConfig,
    trials: int,
    live: bool,
    clock: Callable[[], float] = now,
) -> View:
    """The live view, or plain lines where it is not wanted or would not work.

    Args:
        console: Where to show it.
        config: The search.
        trials: Number of trials asked for.
        live: Whether the live view is wanted. It needs a terminal with Unicode that can move the cursor,
            and is not used where the environment variable `CI` is set.
        clock: Seconds since the epoch.
    """
    progress = Progress(config, trials, clock)
    terminal = console.is_terminal and not console.is_dumb_terminal and console.encoding.startswith("utf")
    wanted = live and terminal and not os.environ.get("CI")
    return LiveView(console, progress) if wanted else PlainView(console, progress)
