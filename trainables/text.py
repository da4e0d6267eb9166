"""Texts that settings accept, and what is done to texts before they are shown."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel

T = TypeVar("T")

LONGEST = 4096
"""Characters of a text, at most."""

# C0 and C1 controls but for tab and newline, marks that turn the direction of writing, the separators of
# lines and paragraphs, and halves of surrogate pairs.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def joined(words: Iterable[str], conjunction: str) -> str:
    """Words, at least one, as a list in a sentence, for example `a, b and c`."""
    *others, last = words
    return f"{', '.join(others)} {conjunction} {last}" if others else last


def encodable(text: str) -> bool:
    """Whether UTF-8 can hold it; JSON, YAML and the command line can bring half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(text: str) -> str:
    """The text with what a terminal would obey spelled out, as in `\\x1b`; tabs and ends of lines stay."""
    return _UNPRINTABLE.sub(lambda match: _spelled(ord(match.group())), text)


def printable_json(text: str) -> str:
    """The same for JSON, in which it stands in strings alone: the value stays what it was."""
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def _spelled(code: int) -> str:
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def _checked(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty; give a text, or remove the key to use its default")
    if not encodable(value):
        raise ValueError("is not text in UTF-8; write it in UTF-8")
    if not value.isprintable():
        raise ValueError("contains a control character; remove it")
    if len(value) > LONGEST:
        raise ValueError(f"has {len(value)} characters; give {LONGEST} at most")
    return value


Text = Annotated[str, AfterValidator(_checked)]
"""A name or path: not blank, without control characters, not endless."""


def map_text(value: T, change: Callable[[str], str]) -> T:
    """The value with `change` applied to every string in it, keys of mappings too.

    Goes through mappings, lists, tuples, data classes and pydantic models. Nothing is changed in place, and
    a part without a changed string is the same object as before.
    """
    # The names of metrics and parameters come again with every trial.
    mapped: T = _mapped(value, cache(change))
    return mapped


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        text = change(value)
        return value if text == value else text
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, list | tuple):
        parts = [_mapped(part, change) for part in value]
        same = all(new is part for new, part in zip(parts, value, strict=True))
        return value if same else tuple(parts) if isinstance(value, tuple) else parts
    if isinstance(value, Mapping):
        items = [(key, part, _mapped(key, change), _mapped(part, change)) for key, part in value.items()]
        same = all(new_key is key and new is old for key, old, new_key, new in items)
        return value if same else {new_key: new for _, _, new_key, new in items}
    if isinstance(value, BaseModel):
        return value.model_copy(update=fields) if (fields := _changed(dict(value), change)) else value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        members = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **fields) if (fields := _changed(members, change)) else value
    return value


def _changed(fields: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """The fields in which a string changes."""
    return {name: new for name, old in fields.items() if (new := _mapped(old, change)) is not old}
