"""Reading and writing `events.jsonl`: one writer, any number of readers, safe against kills."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import TracebackType

from pydantic import ValidationError

from search.errors import RecordError
from search.record.chain import Chain, sealed_line
from search.record.events import Event, SearchStarted, TrialProposed, parse_event
from search.record.shape import config_problem, first_problem
from search.redact import redacted
from trainables.replacement import STORAGE_REFUSED, durable_folder, sync_entry

EVENTS = "events.jsonl"
_LOCK_HELD = (errno.EWOULDBLOCK, errno.EACCES)
_NEWER = ("extra_forbidden", "union_tag_invalid")
"""What a newer version adds: members and kinds of event."""


class RecordReader:
    """Reads a record from its beginning, and what is appended later.

    A line without its newline is still being written, or was cut off by a kill: it is left alone.

    Args:
        folder: The search's folder.

    Attributes:
        offset: Length of the lines that were read, in bytes.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / EVENTS
        self.offset = 0
        self._line = 0
        self._chain = Chain()
        self._proposed: set[int] = set()

    def read_new(self) -> Iterator[Event]:
        """Yields the whole events that were appended since the last call.

        Raises:
            RecordError: A whole line is not an event, or does not follow from those before it, or
                speaks of a trial that none of them proposed, or the file cannot be read.
        """
        try:
            if not self.path.exists():
                return
            file = self.path.open("rb")
        except OSError as error:
            raise _unreadable(self.path, error) from error
        with file:
            file.seek(self.offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._line += 1
                event = self._event(line)
                self.offset += len(line)
                yield event

    def _event(self, line: bytes) -> Event:
        """The event of a line, once it is known to fit those before it."""
        content, sealed, broken = self._chain.take(line)
        if broken is not None:
            raise self._damaged(broken)
        try:
            event = parse_event(content)
        except ValidationError as error:
            newer = sealed or all(problem["type"] in _NEWER for problem in error.errors())
            raise self._foreign(first_problem(error), newer) from error
        if isinstance(event, SearchStarted) and (problem := config_problem(event.config)):
            raise self._foreign(problem, sealed)
        trial: int | None = getattr(event, "trial", None)
        if isinstance(event, TrialProposed):
            self._proposed.add(event.trial)
        elif trial is not None and trial not in self._proposed:
            raise self._damaged(f"names trial {trial}, which was never proposed")
        return event

    def _foreign(self, problem: str, newer: bool) -> RecordError:
        """A line that this version cannot read.

        Args:
            problem: What is wrong with it.
            newer: Whether it is as it was written, so that it is this version that does not know it.
        """
        error = self._damaged(f"is not an event of this version: {problem}")
        if newer:
            return RecordError(
                error.message,
                hint=f"A newer version than {metadata.version('tightrope')} wrote it: upgrade tightrope.",
            )
        return error

    def _damaged(self, what: str) -> RecordError:
        return RecordError(
            f"{self.path}:{self._line} {what}.",
            hint="The record is append-only and must not be edited; restore it from a copy.",
        )


def _unreadable(path: Path, error: OSError) -> RecordError:
    return RecordError(
        f"{path} cannot be used as a record ({error.strerror}).",
        hint="It must be a file that this user can read and write; choose another place with out= or name=.",
    )


def read_events(folder: Path) -> list[Event]:
    """All whole events of the search in `folder`, in order; empty where there is no record."""
    return list(RecordReader(folder).read_new())


def is_being_written(folder: Path) -> bool:
    """Whether another process is running the search in `folder` now."""
    try:
        fd = os.open(folder / EVENTS, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _locked(fd, fcntl.LOCK_SH, tries=1)
    except OSError:
        return False  # where there are no locks, no search can run
    finally:
        os.close(fd)


def _locked(fd: int, kind: int, tries: int) -> bool:
    """Takes a lock; a look at whether a record is being written holds one for a moment.

    Raises:
        OSError: The file system keeps no locks.
    """
    for left in reversed(range(tries)):
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _LOCK_HELD:
                raise
            if left:
                time.sleep(0.02)
        else:
            return True
    return False


@dataclass
class _Pending:
    """An event that is being written; where its line begins and what it is are found out once.

    Later the file may hold a whole line of it that is not on disk, which must not count as one before it.

    Attributes:
        content: The event, as a JSON object.
        end: Length of the whole lines before it.
        line: Its line; empty until both are known.
    """

    content: bytes
    end: int = 0
    line: bytes = b""


class RecordWriter:
    """The only writer of a search's record, held by a lock on the file.

    Every event is on disk (fsync) when `append` returns, so that no decision rests on something
    that a kill could undo. Where the storage refuses, `append` waits and says so: nothing is lost.

    Args:
        folder: The search's folder; made where absent.
        on_wait: Called with a message when storage refuses, once per event.
        retry_seconds: Time between tries while storage refuses.

    Attributes:
        begun_at: Length of the record when it was opened, in bytes.
        broken: Why no event can be written any more; None while they can.

    Raises:
        RecordError: Another process is writing this record, or the file cannot be made, opened or locked.
    """

    def __init__(
        self, folder: Path, on_wait: Callable[[str], None] | None = None, retry_seconds: float = 5.0
    ) -> None:
        self._path = folder / EVENTS
        self._on_wait = on_wait
        self._retry_seconds = retry_seconds
        self._lock = threading.Lock()
        self.broken: RecordError | None = None
        try:
            durable_folder(folder)
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise _unreadable(self._path, error) from error
        self._take_lock(folder)
        try:
            self.begun_at = self._cut_torn_line()
            if not self.begun_at:
                sync_entry(folder)  # or the machine may forget the file's name
        except OSError as error:
            self.close()
            raise _unreadable(self._path, error) from error

    def _take_lock(self, folder: Path) -> None:
        try:
            if _locked(self._fd, fcntl.LOCK_EX, tries=5):
                return
            refusal = RecordError(
                f"Another process is running the search in {folder}.",
                hint="Wait for it, end it, or start a new search with name=<other name>.",
            )
        except OSError as error:
            refusal = RecordError(
                f"The file system of {self._path} gives no lock ({error.strerror}), without which two "
                "processes could write one record.",
                hint="Choose a place on a local disk, or on a file system with locks (flock), with out=.",
            )
        os.close(self._fd)
        raise refusal

    def _cut_torn_line(self) -> int:
        """Drops what a kill or an interrupt left of a last line; returns the file's length."""
        size = os.fstat(self._fd).st_size
        if size and os.pread(self._fd, 1, size - 1) != b"\n":
            with open(os.dup(self._fd), "rb") as file:
                file.seek(0)
                size = file.read().rfind(b"\n") + 1
            os.ftruncate(self._fd, size)
        return size

    def append(self, event: Event, wait: bool = True) -> bool:
        """Writes one event, without credentials, and waits until it is on disk.

        Args:
            event: What has happened.
            wait: Whether to wait for storage that refuses; else it is tried once.

        Returns:
            Whether it is on disk.

        Raises:
            RecordError: It cannot be written, now or later, and neither can any that follows.
        """
        pending = _Pending(redacted(event).model_dump_json().encode())
        reported = False
        with self._lock:
            while (refusal := self._try_to_write(pending)) is not None:
                if not wait:
                    return False
                if self._on_wait is not None and not reported:
                    self._on_wait(f"{self._path} cannot be written ({refusal}); waiting for storage.")
                    reported = True
                time.sleep(self._retry_seconds)
        return True

    def _try_to_write(self, pending: _Pending) -> str | None:
        """Writes an event's line whole or not at all; returns why storage refuses, or None."""
        if self.broken is not None:
            raise self.broken
        # An interrupt between write and fsync would leave the caller unsure what was recorded. It can still
        # come, through another thread or when it is let in again, so that only the file knows its end.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        try:
            if not pending.line:
                pending.end = self._cut_torn_line()
                pending.line = sealed_line(self._fd, pending.end, pending.content)
            else:
                os.ftruncate(self._fd, pending.end)  # what an earlier try has left
            written = os.pwrite(self._fd, pending.line, pending.end)
            if written < len(pending.line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._fd)
        except OSError as error:
            if pending.line:
                with suppress(OSError):  # storage that refuses may refuse this too
                    os.ftruncate(self._fd, pending.end)
            if error.errno not in STORAGE_REFUSED:
                self.broken = RecordError(
                    f"{self._path} cannot be written ({error.strerror or error}).",
                    hint="Once it can, the same command resumes the search.",
                )
                raise self.broken from error
            return error.strerror or str(error)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return None

    def close(self) -> None:
        """Releases the lock. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
