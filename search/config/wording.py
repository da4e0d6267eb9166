"""Problems in words for people: what pydantic refused, without passwords and of a readable length."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic_core import ErrorDetails

from search.errors import ConfigError, Problem
from search.redact import redact
from trainables.nearest import did_you_mean, nearest
from trainables.text import joined

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "finite_number": "a finite number",
}
QUOTES = "put it in quotes"

# Errors that say a section was expected.
WHOLE = ("dict_type", "model_type", "model_attributes_type", "dataclass_type")
_LISTS = ("tuple_type", "list_type")
_BOUNDS = {
    "greater_than": ("gt", "must be above"),
    "greater_than_equal": ("ge", "must be at least"),
    "less_than": ("lt", "must be below"),
    "less_than_equal": ("le", "must be at most"),
}

_KEY = 100
_WORD = re.compile(r"\S{301,}")


def show(value: Any) -> str:
    """A value as it would be written in YAML, cut to a readable length."""
    if isinstance(value, str):
        value = redact(value)
    text = value if isinstance(value, str) and value and value.isprintable() else redact(json.dumps(value))
    quoted = f"'{text}'" if isinstance(value, str) and value else text
    return quoted if len(quoted) <= 60 else f"{quoted[:56]}...{quoted[-1]}"


def describe(errors: Sequence[ErrorDetails]) -> tuple[str, str | None]:
    """Message and hint for all that is wrong with one value (several for a union's members)."""
    for error in errors:
        if error["type"] in _BOUNDS:
            name, words = _BOUNDS[error["type"]]
            limit = error["ctx"][name]
            shown = limit if isinstance(limit, int) else f"{limit:g}"
            return f"{show(error['input'])} is out of range: it {words} {shown}", None
    error = errors[0]
    kind, value = error["type"], error["input"]
    if kind == "missing":
        return "is missing", None
    if kind == "value_error":
        message, _, hint = str(error["ctx"]["error"]).partition("; ")
        return message, hint or None
    if kind in ("union_tag_invalid", "union_tag_not_found") and error["ctx"]["discriminator"] == "'name'":
        return "is not a known name", "python -m search.run --list shows the names"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _kind_of_parameter(error)
    if kind in WHOLE:
        hint = "give it a value" if value is None else "write the keys below it, indented"
        return f"is {show(value)}, not keys with values", hint
    if kind in _LISTS and value is None:
        return "is null, not a list", "remove the key to use the default, or write [...]"
    if kind in _LISTS:
        return f"is {show(value)}, not a list", f"write [{show(value)}]"
    if kind == "too_short":
        return "is empty", f"give at least {error['ctx']['min_length']}"
    return _describe_unexpected(errors)


def _describe_unexpected(errors: Sequence[ErrorDetails]) -> tuple[str, str | None]:
    """Message and hint for a value of the wrong type or outside a fixed set."""
    value = errors[0]["input"]
    literals = [literal for error in errors for literal in _literals(error)]
    expected = [_EXPECTED[error["type"]] for error in errors if error["type"] in _EXPECTED]
    if len(expected) > 2:
        return f"is {show(value)}, not a single value", None
    expected += literals
    if not expected:
        return errors[0]["msg"], None
    return f"{show(value)} is not {joined(expected, 'or')}", _hint(value, expected, literals)


def _hint(value: Any, expected: Sequence[str], literals: Sequence[str]) -> str | None:
    if literals and isinstance(value, str):
        near = nearest(value, literals)
        return f"did you mean {' or '.join(near)}?" if near else None
    if expected == ["text"] and isinstance(value, int | float | bool | dict):
        return QUOTES
    if isinstance(value, float) and value.is_integer() and "a whole number" in expected:
        return f"write {value:.0f}"
    if isinstance(value, str) and value.lower() in ("yes", "no", "on", "off") and "true or false" in expected:
        return f"write {'true' if value.lower() in ('yes', 'on') else 'false'}"
    return None


def _kind_of_parameter(error: ErrorDetails) -> tuple[str, str | None]:
    types = ["float", "log-float", "int", "categorical", "expression"]
    if error["type"] == "union_tag_not_found":
        return "has no type", f"give one of {', '.join(types)}"
    tag = str(error["ctx"]["tag"])
    return f"{show(tag)} is not a type of parameter", did_you_mean(tag, types)


def _literals(error: ErrorDetails) -> list[str]:
    if error["type"] != "literal_error":
        return []
    text = error["ctx"]["expected"]
    return re.findall(r"'([^']*)'", text) or re.findall(r"[^\s,]+(?<!or)", text)


def config_error(problems: Iterable[Problem]) -> ConfigError:
    """The error for these problems, without passwords and with overlong words cut."""
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
