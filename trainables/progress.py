"""What a process is at while it takes long: said by who does it, to whoever listens. Light: no torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
_AMOUNT = re.compile(r"\d+\.\d of \d+\.\d (?:GB|MB|kB)")

_LISTENER: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Callable[[str], None]) -> Iterator[None]:
    """Has a function called with what this thread says it is at, in words that follow "while"."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def doing(what: str) -> None:
    """Says what this thread is at, in words that follow "while"; empty: it is back at what it was at."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(what)


def amount(done: float, whole: float) -> str:
    """How many bytes of a whole are done, in the whole's unit: "1.2 of 16.1 GB"."""
    unit, size = next((each for each in _UNITS if whole >= each[1]), _UNITS[-1])
    return f"{done / size:.1f} of {whole / size:.1f} {unit}"


def size_text(size: float) -> str:
    """A number of bytes: "16.1 GB"."""
    return amount(size, size).partition(" of ")[2]


def without_amounts(text: str) -> str:
    """What stays the same of a text from one amount to the next."""
    return _AMOUNT.sub("", text)
