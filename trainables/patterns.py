"""Regular expressions from users, kept to those that end in reasonable time. Light: no torch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

LONGEST = 500
"""Characters of an expression, at most."""

_MANY = 20
"""Repetitions from which on a repeat counts as unbounded."""

_WIDE = 3
"""Unbounded repeats of one expression, at most: time may grow with that power of the text's length."""

_PARSER: Any = import_module("re._parser")
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT")


def compiled(expression: str) -> re.Pattern[str]:
    """A regular expression that ignores case.

    Python's engine backtracks, so that `(a+)+b` takes exponential time. Refused are therefore repeats and
    alternatives within repeats, more than three unbounded repeats, and references to groups.

    Raises:
        ValueError: It is none, or one of these; the message says which.
    """
    if len(expression) > LONGEST:
        raise ValueError(f"has {len(expression)} characters; give {LONGEST} at most")
    try:
        pattern = re.compile(expression, re.IGNORECASE)
        operators = list(_operators(_PARSER.parse(expression, re.IGNORECASE), False))
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    if any(name.startswith("GROUPREF") for name, _, _ in operators):
        raise ValueError("refers to a group, which can take endless time; write it without")
    if any(inside and name in (*_REPEATS, "BRANCH") for name, inside, _ in operators):
        raise ValueError("repeats a repeat or alternatives, as in (a+)+, which can take endless time")
    unbounded = sum(most >= _MANY for _, _, most in operators)
    if unbounded > _WIDE:
        raise ValueError(f"has {unbounded} unbounded repeats (*, +), of which {_WIDE} are allowed")
    if pattern.search("") is not None:
        raise ValueError("matches the empty text, and so any text; make some part of it required")
    return pattern


def _operators(tree: Any, inside: bool) -> Iterator[tuple[str, bool, int]]:
    """The operators of a parsed expression: name, whether it is repeated, and its own repeats at most."""
    for operator, argument in tree:
        name = str(operator)
        most = int(argument[1]) if name in _REPEATS else 0
        yield name, inside, most
        for part in _parts(argument):
            yield from _operators(part, inside or most > 1)


def _parts(argument: Any) -> Iterator[Any]:
    """The parsed expressions in an operator's argument."""
    if isinstance(argument, _PARSER.SubPattern):
        yield argument
    elif isinstance(argument, list | tuple):
        for part in argument:
            yield from _parts(part)
