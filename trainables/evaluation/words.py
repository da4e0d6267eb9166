"""The words of a text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Runs of letters, digits and underscores, without regard to case."""
    return _WORD.findall(text.casefold())


def grams(found: Sequence[T], n: int) -> Iterator[tuple[T, ...]]:
    """Every `n` of a sequence in a row."""
    return (tuple(found[start : start + n]) for start in range(len(found) - n + 1))
