"""JSON in training data as the text that a reader sees in it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from trainables.evaluation.contamination.phrases import announces, tokens, wraps

_TURNS = (("role", "content"), ("from", "value"))
"""Fields of one turn of a conversation: who speaks, and what."""


def legible(text: str) -> str:
    """The text, with JSON objects (all of it, or a line of their own) as lines of names and values.

    Escapes become what they stand for. A field that answers comes right after the one that asks, whatever
    others an object has between them.
    """
    if "{" not in text:
        return text
    whole = _read(text)
    return whole if whole is not None else "\n".join(_read(line) or line for line in text.splitlines())


def _read(text: str) -> str | None:
    stripped = text.strip()
    if not (stripped.startswith(("{", "[")) and stripped.endswith(("}", "]"))):
        return None
    try:
        found = json.loads(stripped)
    except (ValueError, RecursionError):
        return None
    return "\n".join(_lines(found)) if isinstance(found, dict | list) else None


def _lines(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _lines(each)
    elif isinstance(value, dict):
        for who, what in _TURNS:
            if isinstance(value.get(who), str) and isinstance(value.get(what), str):
                yield f"{value[who]}: {value[what]}"
                return
        for name in sorted(value, key=_order):
            yield f"{name}: " + "\n".join(_lines(value[name]))
    else:
        yield str(value)


def _order(name: str) -> int:
    if announces([*tokens(name), ":", "x"]):
        return 1
    return 0 if wraps(tokens(name)) else 2
