"""Functions of the caller that are called with every event, beside the view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from search.record import Event, SearchState
from search.redact import redacted
from search.view.views import View
from trainables.errors import first_line

Callback: TypeAlias = Callable[[Event], object]
"""Is given a copy of an event as the record has it, once it is on disk; what it returns is not used."""


class CallingView:
    """A view that calls functions too. One that raises is named, and not called again: the search goes on.

    Args:
        view: Shows the search.
        callbacks: Called in their order, by the thread that conducts the search, which waits for them.
    """

    def __init__(self, view: View, callbacks: Sequence[Callback]) -> None:
        self._view, self._callbacks = view, list(callbacks)

    @property
    def pace(self) -> float:
        """See `View.pace`."""
        return self._view.pace

    def start(self) -> None:
        """The session begins."""
        self._view.start()

    def restore(self, state: SearchState) -> None:
        """Shows what was recorded before; the functions are not given it."""
        self._view.restore(state)

    def __call__(self, event: Event) -> None:
        """Shows the event, and calls the functions with it."""
        self._view(event)
        for callback in list(self._callbacks):
            try:
                callback(redacted(event).model_copy(deep=True))
            except Exception as error:  # noqa: BLE001 - a named boundary: a caller's function raises what it will
                self._callbacks.remove(callback)
                name = getattr(callback, "__name__", type(callback).__name__)
                said = f"{type(error).__name__}: {first_line(error)}"
                self._view.note(f"the callback {name} failed and is not called again: {said}")

    def note(self, text: str) -> None:
        """Shows the note."""
        self._view.note(text)

    def close(self) -> None:
        """The session is over."""
        self._view.close()


def calling(view: View, callbacks: Sequence[Callback]) -> View:
    """The view, which calls the functions too where there are any."""
    return CallingView(view, callbacks) if callbacks else view
