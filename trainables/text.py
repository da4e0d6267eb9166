"""Texts that settings accept."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

LONGEST = 4096
"""Characters of a text, at most."""

# C0 and C1 controls but for tab and newline, marks that turn the direction of writing, the separators of
# lines and paragraphs, and halves of surrogate pairs.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


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
