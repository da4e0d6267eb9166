"""Values of a record's fields as text, and templates that are filled from them. Light: no torch."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from trainables.data.units import WrongRecord

_MARK = re.compile(r"\{\{|\}\}|\{([^{}\n]*)\}|[{}]")
_ESCAPES = {r"\n": "\n", r"\t": "\t", r"\\": "\\"}
_KINDS = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}


class Looked(dict[str, Any]):
    """A record that remembers which of its fields were asked for."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        super().__init__(record)
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.names.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a field."""
        self.names.add(name)
        return super().get(name, default)

    def items(self) -> Any:
        """All fields."""
        self.names.update(super().keys())
        return super().items()

    def peek(self, name: str) -> Any:
        """The value of a field, which nobody has asked for."""
        return super().get(name)


def peeked(record: Mapping[str, Any], name: str) -> Any:
    """The value of a field that is used only if it has the right form, which the reader then asks for."""
    return record.peek(name) if isinstance(record, Looked) else record.get(name)


def fields_of(record: Mapping[str, Any]) -> str:
    """The names of a record's fields, for messages."""
    return names_shown(record) or "none"


def names_shown(names: Iterable[Any]) -> str:
    """Names of fields, for messages; nothing where there are none."""
    shown = [name if name.isprintable() else repr(name) for name in map(str, names)]
    text = ", ".join(name if len(name) <= 40 else f"{name[:37]}..." for name in shown[:20])
    return f"{text} and {len(shown) - 20} more" if len(shown) > 20 else text


def text_of(record: Mapping[str, Any], name: str) -> str:
    """The text in a field.

    Raises:
        WrongRecord: There is none.
    """
    value = record.get(name)
    if value is None:
        raise WrongRecord(f"lacks the field {name!r}", f"Its fields are {fields_of(record)}.")
    return as_text(value, name)


def as_text(value: Any, name: str) -> str:
    """A value that must be text.

    Raises:
        WrongRecord: It is not, or holds half of a character.
    """
    if not isinstance(value, str):
        kind = _KINDS.get(type(value), f"a value of type {type(value).__name__}")
        raise WrongRecord(
            f"has {kind} instead of text in the field {name!r}",
            f"Write it as text, or use a template: 'task.prompt={{...}}' 'task.completion={{{name}}}'.",
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise WrongRecord(
            f"holds half of a character (\\u{ord(value[error.start]):04x}) in the field {name!r}",
            (
                "A pair of UTF-16 codes was cut in two: remove the record, or fix the program that wrote "
                "the file."
            ),
        ) from error
    return value


def optional_text(record: Mapping[str, Any], *names: str) -> str:
    """The text of the first of some fields that is there and not blank, else nothing."""
    for name in names:
        if record.get(name) is not None and (text := as_text(record[name], name)).strip():
            return text
    return ""


def filled(template: str, record: Mapping[str, Any]) -> str:
    r"""A template with its fields: `{name}`, or `{name.inner.0}` for what lies within; `{{` is a brace.

    `\n` and `\t` are a line's end and a tab, for shells that pass them on so. What is no text is written as
    JSON.

    Raises:
        WrongRecord: The record lacks a field.
    """

    def value(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        inner = _within(record, match[1])
        return as_text(
            inner if isinstance(inner, str) else json.dumps(inner, ensure_ascii=False, default=str), match[1]
        )

    return _MARK.sub(value, unescaped(template))


def unescaped(template: str) -> str:
    r"""A template with the line ends and tabs that `\n` and `\t` stand for in it."""
    return re.sub(r"\\[nt\\]", lambda match: _ESCAPES[match[0]], template)


def template_fields(template: str) -> list[str]:
    """The fields that a template names.

    Raises:
        ValueError: A brace is not closed, or names nothing.
    """
    names = []
    for match in _MARK.finditer(template):
        if match[0] in ("{", "}") or (match[1] is not None and not match[1].strip()):
            raise ValueError(f"has a {match[0]} without a field; write {{name}}, and {{{{ or }}}} for braces")
        if match[1] is not None:
            names.append(match[1])
    return names


def _within(record: Mapping[str, Any], path: str) -> Any:
    if path in record:
        value = record[path]
    else:
        value = record
        for part in path.split("."):
            if isinstance(value, list) and part.isdecimal() and int(part) < len(value):
                value = value[int(part)]
            else:
                value = value.get(part) if isinstance(value, Mapping) else None
    if value is None:
        raise WrongRecord(f"lacks the field {path!r}", f"Its fields are {fields_of(record)}.")
    return value
