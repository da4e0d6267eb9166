"""What is wrong, as it is shown: without passwords, and of a readable length."""

from __future__ import annotations

import re
from collections.abc import Iterable

from search.errors import ConfigError, Problem
from search.redact import redact

_KEY = 100
_WORD = re.compile(r"\S{301,}")


def config_error(problems: Iterable[Problem]) -> ConfigError:
    """The error for these problems; no text in it holds a password, or a word that fills the screen."""
    return ConfigError([_readable(problem) for problem in problems])


def cut(text: str, length: int) -> str:
    """Text without passwords, cut to `length` characters."""
    clean = redact(text)
    return clean if len(clean) <= length else f"{clean[: length - 3]}..."


def _readable(problem: Problem) -> Problem:
    hint = None if problem.hint is None else _clean(problem.hint)
    return Problem(cut(problem.key, _KEY), _clean(problem.message), _clean(problem.where), hint)


def _clean(text: str) -> str:
    return _WORD.sub(lambda match: f"{match[0][:297]}...", redact(text))
