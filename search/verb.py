"""How every command runs: help, errors and exit codes are the same for all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from search.errors import ConfigError, TightropeError
from search.output import complain, say, say_json

WRONG = 2
"""The exit code of a wrong command line."""


def error_data(error: TightropeError) -> Any:
    """An error for programs."""
    return {"error": error.message, "hint": error.hint}


def run_verb(
    arguments: Sequence[str] | None,
    usage: str,
    run: Callable[[list[str]], int],
    data: Callable[[TightropeError], Any] = error_data,
    *,
    bare: bool = True,
) -> int:
    """Runs a command of `key=value` words.

    Args:
        arguments: Words after its name; None takes those of this process.
        usage: Its help.
        run: Takes the words, and returns the exit code.
        data: See `carry_out`.
        bare: Whether it runs without words; else they are missing, and its help says what they are.

    Returns:
        Exit code: that of `run`, or as `carry_out` gives it.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words and not bare:
        complain(usage)
        return WRONG
    if "--help" in words or "-h" in words:
        say(usage)
        return 0
    return carry_out(lambda: run(words), "--json" in words, data)


def carry_out(
    run: Callable[[], int], as_json: bool = False, data: Callable[[TightropeError], Any] = error_data
) -> int:
    """Does what a command line asks for, and says what was wrong.

    Args:
        run: Returns the exit code.
        as_json: Whether to say an error for programs too.
        data: That error as plain data.

    Returns:
        Exit code: that of `run`; 2 where the input was wrong, 1 where something failed.
    """
    try:
        return run()
    except TightropeError as error:
        complain(str(error) if isinstance(error, ConfigError) else f"error: {error}")
        if as_json:
            say_json(data(error))
        return error.exit_code
