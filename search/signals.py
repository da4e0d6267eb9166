"""The signals that stop a search: Ctrl-C, SIGTERM, and SIGHUP from a terminal that is closed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeAlias

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop:
    """Handler of the signals that stop a search.

    Ray replaces what a handler raises by a bare `KeyboardInterrupt`: which signal it was is kept here. Where
    the signal comes while a library cleans up after itself, Python drops the interrupt; `check` raises it.
    """

    number: int = signal.SIGINT
    asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Notes the signal and interrupts."""
        self.number, self.asked = number, True
        raise KeyboardInterrupt

    def check(self) -> None:
        """To be called now and then within what is to be stopped.

        Raises:
            KeyboardInterrupt: A signal has come since `forget`, and what it raised was lost.
        """
        if self.asked:
            raise KeyboardInterrupt

    def forget(self) -> None:
        """Signals that have come are dealt with."""
        self.asked = False


stop = Stop()
"""The handler that interrupts; `stop.number` is the signal that came."""

Handler: TypeAlias = Callable[[int, FrameType | None], Any] | signal.Handlers


@contextmanager
def stop_signals(handler: Handler) -> Iterator[None]:
    """Handles the signals that stop a search alike for a while: to stop in order, or to finish stopping.

    Outside a process's main thread they are left alone: Python lets only that one handle signals.
    """
    if not _may_handle():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    take_stop_signals(handler)
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def take_stop_signals(handler: Handler) -> None:
    """Handles them so from now on, in the main thread."""
    if not _may_handle():
        return
    for number in _SIGNALS:
        # `nohup` has a terminal's end ignored, and it stays so.
        if not (number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN):
            signal.signal(number, handler)


def _may_handle() -> bool:
    return threading.current_thread() is threading.main_thread()
