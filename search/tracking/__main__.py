"""Brings MLflow up to date with a search's record."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from search.errors import TightropeError
from search.output import Parser, complain, say
from search.recorded import open_search
from search.redact import redact
from search.tracking.process import set_session_niceness, tracking_environment
from search.tracking.store import file_lock
from search.verb import carry_out

log = logging.getLogger("search.tracking")

LOCK = "tracking.lock"
NICENESS = 5


class _RedactingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Returns:
        Exit code: 0 everything recorded is in MLflow, 1 it is not, 2 there is no such search; one line says
        why.
    """
    options = _parser().parse_args(arguments)
    environment = tracking_environment(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    return carry_out(lambda: _track(options))


def _track(options: argparse.Namespace) -> int:
    # Before MLflow is imported, which takes seconds, and before anything is made in the folder.
    folder, _ = open_search(options.search)
    return _follow(folder, options.parent) if options.follow else _project(folder)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m search.tracking", description=__doc__)
    parser.add_argument("search", metavar="SEARCH", help="its folder, or its name in runs")
    parser.add_argument("--follow", action="store_true", help="continue until the search ends")
    parser.add_argument("--parent", type=int, metavar="PID", help="with --follow: end when this process ends")
    return parser


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
