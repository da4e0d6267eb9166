"""Brings MLflow up to date with a search's record."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from search.errors import RecordError, TightropeError
from search.output import Parser, complain, say
from search.record import SearchState, read_events
from search.record.files import EVENTS
from search.redact import redact
from search.tracking.process import set_session_niceness, tracking_environment
from search.tracking.store import file_lock

log = logging.getLogger("search.tracking")

LOCK = "tracking.lock"
NICENESS = 5
WRONG = 2


class _RedactingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Returns:
        Exit code: 0 everything recorded is in MLflow, 1 it is not, 2 the folder holds no search or a
        damaged one; one line says why.
    """
    options = _parser().parse_args(arguments)
    environment = tracking_environment(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        # Before MLflow is imported, which takes seconds, and before anything is made in the folder.
        _refuse_what_is_no_search(options.folder)
    except RecordError as error:
        complain(redact(str(error)))
        return WRONG
    try:
        return _follow(options.folder, options.parent) if options.follow else _project(options.folder)
    except TightropeError as error:
        complain(redact(str(error)))
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m search.tracking", description=__doc__)
    parser.add_argument("folder", type=Path, help="the search's folder, with its events.jsonl")
    parser.add_argument("--follow", action="store_true", help="continue until the search ends")
    parser.add_argument("--parent", type=int, metavar="PID", help="with --follow: end when this process ends")
    return parser


def _refuse_what_is_no_search(folder: Path) -> None:
    """Refuses a folder without a record, or with a damaged one.

    Raises:
        RecordError: It is one of these.
    """
    if not (folder / EVENTS).exists():
        raise RecordError(f"{folder} contains no search.", hint="Give the folder that has its events.jsonl.")
    SearchState.from_events(read_events(folder))


def _project(folder: Path) -> int:
    # MLflow and its libraries warn and log where a user would only expect an answer.
    logging.disable()
    # Imported here because they import MLflow, which reads its environment and takes seconds.
    from search.tracking.follower import UNREACHABLE, project

    try:
        with file_lock(folder / LOCK, wait=False) as held:
            if not held:
                raise TightropeError(
                    f"Another process is writing {folder} to MLflow.", hint="Try again later."
                )
            shipper = project(folder)
    except UNREACHABLE as error:
        reason = " ".join(str(error).split())
        complain(redact(f"MLflow could not be updated from {folder}: {reason}"))
        return 1
    say(f"{len(shipper.projection.runs)} runs of {folder} are in MLflow at {shipper.store}")
    return 0


def _follow(folder: Path, parent: int | None) -> int:
    os.nice(NICENESS)
    set_session_niceness(os.getpid(), 2 * NICENESS)
    handler = logging.StreamHandler()
    handler.setFormatter(_RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    sys.excepthook = _log_crash
    from search.tracking.follower import Parent, follow

    with file_lock(folder / LOCK, wait=True):
        return 0 if follow(folder, Parent(parent)) else 1


def _log_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Python's own report of a crash would show credentials."""
    log.critical("crashed", exc_info=(kind, error, trace))


if __name__ == "__main__":
    sys.exit(main())
