"""How every verb of this package runs: help, errors and exit codes are the same for all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from search.errors import ConfigError, TightropeError
from search.output import complain, say, say_json


def run_verb(arguments: Sequence[str] | None, usage: str, run: Callable[[list[str]], int]) -> int:
    """Runs a verb.

    Args:
        arguments: Words after the verb; None takes those of this process.
        usage: Its help.
        run: Takes the words, and returns the exit code.

    Returns:
        Exit code: that of `run`; 2 for wrong words, 1 where something failed.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if "--help" in words or "-h" in words:
        say(usage)
        return 0
    try:
        return run(words)
    except TightropeError as error:
        complain(str(error) if isinstance(error, ConfigError) else f"error: {error}")
        if "--json" in words:
            say_json({"error": error.message, "hint": error.hint})
        return error.exit_code
