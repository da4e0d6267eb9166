"""What every view offers."""

from __future__ import annotations

from typing import Protocol

from search.record import Event, SearchState


class View(Protocol):
    """Shows a search as it goes.

    Every method may be called from any thread, returns at once and never raises on account of the
    terminal: a search does not depend on being seen.
    """

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
        """Shows what is going on beside the events, for example that Ray is starting."""
        ...

    def close(self) -> None:
        """The session is over; notes may still follow. Idempotent."""
        ...
