"""A worker's end by an error that nobody expected: what it was, where, and what to do about it. No torch."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path

from trainables.errors import TrainableError

CRASH_LOG = "crash.log"
"""File in the search's folder with the traceback of every crash."""

KILLED = "killed"
"""Kind of a crash without an exception."""

_ROOT = Path(__file__).parents[1]
_OWN = ("trainables", "search", "analysis")
_LONGEST = 300
_TOO_LARGE = ("OutOfMemoryError", "MemoryError")


class WorkerCrashedError(Exception):
    """Ends a worker whose crash has been reported; only text, so that any process can read it."""


class PeerLostError(Exception):
    """Ends a worker that cannot continue without another worker of its group, which has the reason."""


class BeginSmallerError(Exception):
    """Ends a worker whose memory ran out in what all do together: the group starts with less."""


class DrainedError(Exception):
    """Ends a worker whose node is about to be taken away: the group starts on another one."""


EXPECTED = (WorkerCrashedError, PeerLostError, BeginSmallerError, DrainedError)
"""How a worker ends of which the dispatcher knows all there is to know."""

UNEXPLAINED = (KILLED, PeerLostError.__name__)
"""Kinds of crashes that may have been anything, the loss of a machine too."""


@dataclass(frozen=True)
class Crash:
    """One crash of one worker.

    Attributes:
        kind: The exception's type, or `KILLED`.
        error: What it said, on one line, the type first.
        place: File and line where it was raised; empty where that is not known.
        doing: What the worker was at, to follow "while".
        traceback: The whole of it.
    """

    kind: str
    error: str
    place: str
    doing: str
    traceback: str = ""

    @property
    def way(self) -> tuple[str, str]:
        """What two crashes have in common that are the same."""
        return self.kind, self.place or self.doing

    @property
    def line(self) -> str:
        """All of it on one line."""
        where = f" ({self.place})" if self.place else ""
        return f"{self.error}{where}, while {self.doing}"

    @property
    def advice(self) -> str:
        """What to do about it."""
        if self.kind == KILLED:
            return (
                "The system usually ends a process because memory ran out: try fewer workers.groups, a "
                "smaller model or shorter task.max_length."
            )
        if self.kind in _TOO_LARGE:
            return (
                "Memory ran out: try a smaller model, or shard it over more workers with workers.workers "
                f"and workers.zero_stage=3; the traceback is in {CRASH_LOG}."
            )
        return (
            f"The traceback is in {CRASH_LOG} in the search's folder. If it concerns your model or your "
            "data, correct them; otherwise please report it."
        )


def crash_of(error: BaseException, doing: str) -> Crash:
    """Describes an exception that has been raised."""
    kind = type(error).__name__
    said = " ".join("".join(letter if letter.isprintable() else " " for letter in str(error)).split())
    text = "".join(traceback.format_exception(error))
    return Crash(kind, _cut(f"{kind}: {said}" if said else kind), _place(error), doing, text)


def killed(doing: str, detail: str) -> Crash:
    """The crash of a process that ended without an exception."""
    return Crash(KILLED, "the worker's process was killed", "", doing, detail)


def repeated(crash: Crash, times: int, whose: str) -> TrainableError:
    """The error of a crash that trying again does not help.

    Args:
        crash: The last of them.
        times: How often it has come in the same way.
        whose: Subject of the sentence, such as "The workers".
    """
    return TrainableError(f"{whose} crashed {times} times in the same way: {crash.line}.", hint=crash.advice)


def _place(error: BaseException) -> str:
    """File and line of the deepest frame and, where that is a library's, of the deepest one of our own."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return ""
    deepest = frames[-1]
    frame_of_ours = next((frame for frame in reversed(frames) if _is_own(frame.filename)), None)
    place = f"{_short(deepest.filename)}:{deepest.lineno}"
    if frame_of_ours is None or frame_of_ours is deepest:
        return place
    return f"{place}, from {_short(frame_of_ours.filename)}:{frame_of_ours.lineno}"


def _is_own(filename: str) -> bool:
    path = Path(filename)
    return path.is_relative_to(_ROOT) and path.relative_to(_ROOT).parts[0] in _OWN


def _short(filename: str) -> str:
    """The path below the package's root, or below the folder of libraries."""
    path = Path(filename)
    if _is_own(filename):
        return str(path.relative_to(_ROOT))
    parts = path.parts
    if "site-packages" in parts:
        return str(Path(*parts[len(parts) - parts[::-1].index("site-packages") :]))
    return str(path)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
