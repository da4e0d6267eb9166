"""Writing to a terminal or pipe that may be gone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO


def write_line(file: IO[str], line: str) -> None:
    """Writes and flushes a line; where the file is closed or gone, the line is lost and nothing else."""
    try:
        file.write(line + "\n")
        file.flush()
    except UnicodeEncodeError:
        write_line(file, line.encode("ascii", "backslashreplace").decode())
    except (OSError, ValueError):
        # ValueError: the file was closed.
        return


@contextmanager
def unless_gone(*files: IO[str]) -> Iterator[None]:
    """Leaves out what cannot be written any more because the terminal or the reader of a pipe is gone.

    Args:
        files: What is written to. Python writes out what they still hold when it ends, and would fail then.
    """
    try:
        yield
        for file in files:
            file.flush()
    except (OSError, SystemExit):  # rich ends the program where a pipe is broken
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for file in files:
            with suppress(OSError, ValueError):
                file.flush()
                continue
            with suppress(OSError, ValueError):
                os.dup2(nowhere, file.fileno())
        os.close(nowhere)
