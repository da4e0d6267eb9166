"""Numbers as spreadsheets write them: percent signs, decimal commas, separators of thousands."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Literal, TypeAlias

Mark: TypeAlias = Literal[".", ","]

EMPTY = frozenset({"", "-", "na", "n/a", "#n/a", "nan", "null", "none"})
"""What stands for no value, in small letters."""
_SPACES = re.compile(r"(?<=\d)\s(?=\d{3}(?:\D|$))|\s(?=%$)")
"""Between groups of three digits, and before a percent sign."""
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(?P<mark>[.,])\d{3}%?")
"""1,000: a thousand, or one with three decimals."""
_DECIMAL = re.compile(r"[+-]?\d*(?P<mark>[.,])\d*(e[+-]?\d+)?%?", re.IGNORECASE)
_THOUSANDS = {mark: re.compile(rf"[+-]?\d{{1,3}}(\{mark}\d{{3}})+(\D.*)?") for mark in ".,"}


class AmbiguousNumber(ValueError):
    """A text like 1,000 where nothing tells whether the comma is decimal."""


def is_empty(text: str) -> bool:
    """Whether a cell stands for no value."""
    return text.strip().lower() in EMPTY


def is_percentage(text: str) -> bool:
    """Whether a number is written with a percent sign."""
    return text.strip().endswith("%")


def decimal_marks(texts: Iterable[str]) -> frozenset[Mark]:
    """The decimal marks that numbers among the texts have beyond doubt."""
    marks: set[Mark] = set()
    for text in map(_plain, texts):
        if "." in text and "," in text and _has_both(text):
            marks.add("." if text.rindex(".") > text.rindex(",") else ",")
        elif (match := _DECIMAL.fullmatch(text)) and not _GROUPED.fullmatch(text):
            marks.add("," if match["mark"] == "," else ".")
    return frozenset(marks)


def read_number(text: str, marks: frozenset[Mark]) -> float:
    """The number that a text stands for; NaN where it stands for none, a percentage as a share.

    A mark before exactly three digits may be decimal or separate thousands. Where other numbers of the table
    have the other mark as the decimal one it separates; where they have the same, it is decimal. Where there
    are none, a point is decimal, and a comma is ambiguous.

    Args:
        text: A cell.
        marks: Decimal marks of the table's other numbers.

    Raises:
        AmbiguousNumber: It can be read in two ways.
        ValueError: It is no number.
    """
    if is_empty(text):
        return math.nan
    plain = _plain(text)
    value = float(_with_point(plain.removesuffix("%"), marks))
    return value / 100 if plain.endswith("%") else value


def _with_point(text: str, marks: frozenset[Mark]) -> str:
    """The same number with a decimal point and without separators."""
    points, commas = text.count("."), text.count(",")
    if points and commas:
        if not _has_both(text):
            raise ValueError(text)
        return _without(text, "," if text.rindex(".") > text.rindex(",") else ".")
    mark: Mark = "," if commas else "."
    if points + commas > 1:
        if not _THOUSANDS[mark].fullmatch(text):
            raise ValueError(text)
        return _without(text, mark)
    if _GROUPED.fullmatch(text):
        if len(marks) != 1 and (mark == "," or marks):
            raise AmbiguousNumber(text)
        if marks and mark not in marks:
            return _without(text, mark)
    return text.replace(",", ".")


def _without(text: str, separator: str) -> str:
    return text.replace(separator, "").replace(",", ".")


def _has_both(text: str) -> bool:
    """Whether the mark that comes first separates thousands, and the other comes once."""
    first, last = sorted(".,", key=text.index)
    return text.count(last) == 1 and bool(_THOUSANDS[first].fullmatch(text))


def _plain(text: str) -> str:
    return _SPACES.sub("", text.strip())
