"""Writing to a terminal or pipe: nothing shown can steer it or holds a credential, and it may be gone."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, NoReturn

from search.dialect import as_typed
from search.redact import redact, redacted
from trainables.nearest import nearest
from trainables.text import printable, printable_json


def write_line(file: IO[str], line: str) -> None:
    """Writes and flushes a line; where the file is closed or gone, the line is lost and nothing else.

    Names, fields and messages come from files that others wrote: what a terminal would obey is spelled out.
    Credentials are left out, and commands are in the form in which this process was started.
    """
    _write(file, printable(redact(as_typed(line))))


def say(text: str) -> None:
    """Writes text to standard output."""
    write_line(sys.stdout, text.removesuffix("\n"))


def complain(text: str) -> None:
    """Writes text to standard error."""
    write_line(sys.stderr, text.removesuffix("\n"))


def say_json(data: Any) -> None:
    """Writes data to standard output as one line of JSON, without credentials."""
    ascii_only = not (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    _write(sys.stdout, printable_json(json.dumps(redacted(data), ensure_ascii=ascii_only)))


class Parser(argparse.ArgumentParser):
    """A parser of command lines whose messages go the same way."""

    def error(self, message: str) -> NoReturn:
        """Ends the process with code 2, what is wrong, which quotes the command line, and a hint."""
        hint = f"{self.prog} --help shows the options"
        unknown = re.match(r"unrecognized arguments: (--[^\s=]+)", message)
        if unknown and (near := nearest(unknown[1], self._option_string_actions)):
            hint = f"did you mean {' or '.join(near)}?"
        complain(f"error: {message}\n  hint: {hint}")
        self.exit(2)

    def print_help(self, file: Any = None) -> None:
        """Writes the help to standard output."""
        say(self.format_help())


def _write(file: IO[str], line: str) -> None:
    try:
        file.write(line + "\n")
        file.flush()
    except UnicodeEncodeError:
        _write(file, line.encode("ascii", "backslashreplace").decode())
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
