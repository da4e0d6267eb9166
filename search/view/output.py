"""Writing to a terminal or pipe that may be gone."""

from __future__ import annotations

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
