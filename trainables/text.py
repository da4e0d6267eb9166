"""Texts that settings accept."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

LONGEST = 4096
"""Characters of a text, at most."""


def _checked(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty; give a text, or leave the key out where it has a default")
    if not value.isprintable():
        raise ValueError("holds a control character; take it out")
    if len(value) > LONGEST:
        raise ValueError(f"has {len(value)} characters; give {LONGEST} at most")
    return value


Text = Annotated[str, AfterValidator(_checked)]
"""A name or path: not blank, without control characters, not endless."""
