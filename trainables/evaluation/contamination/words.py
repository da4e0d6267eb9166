"""The words of a text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

_SIGNS = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"

WORD = rf"[{_SIGNS}]|[^\W{_SIGNS}]+"
"""Pattern of a word; each kana and each ideograph is one, for these scripts put nothing between words."""

_WORD = re.compile(WORD)


def words(text: str) -> list[str]:
    """Runs of letters, digits and underscores, and single kana and ideographs, without regard to case."""
    return _WORD.findall(text.casefold())


def grams(found: Sequence[T], n: int) -> Iterator[tuple[T, ...]]:
    """Every `n` of a sequence in a row."""
    return (tuple(found[start : start + n]) for start in range(len(found) - n + 1))
