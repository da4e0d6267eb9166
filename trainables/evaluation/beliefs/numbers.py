"""Numbers in replies: digits in any notation, and words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

_UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_WORDS = {word: value for value, word in enumerate(_UNITS)} | {
    word: 10 * value for value, word in enumerate(_TENS, 2)
}
_SMALL = rf"(?:(?:{'|'.join(_TENS)})(?:[\s-](?:{'|'.join(_UNITS[1:10])})\b)?|{'|'.join(reversed(_UNITS))})"
_HUNDREDS = rf"{_SMALL}(?:\s+hundred(?:\s+(?:and\s+)?{_SMALL})?)?"
_SCALE = rf"(?:{'|'.join(_SCALES)})"
_WHOLE = rf"{_HUNDREDS}(?:\s+{_SCALE}\b(?:\s+(?:and\s+)?{_HUNDREDS})?)*"
_DIGIT = rf"(?:{'|'.join(_UNITS[:10])})\b"
_SPELLED = rf"{_WHOLE}(?:\s+point(?:\s+{_DIGIT})+)?"

_DIGITS = r"(?:\d{1,3}(?: \d{3})+(?!\d)(?:[.,]\d+)?|\d+(?:[.,'_]\d+)*|\.\d+)"
_NUMBER = re.compile(
    rf"(?<![\w.,/^])(?:(?P<sign>(?<![\d)]\s)(?<![\d)])(?:[-+]|\b(?:minus|negative)\s))\s?)?(?:(?P<over>\d+)\s?/\s?(?P<under>\d+)(?![\d.,/]\d)"
    rf"|(?P<digits>{_DIGITS})"
    r"(?:[eE](?P<e>[-+]?\d+)|\s*[\u00d7x·]\s*10\s*\^\s*\(?(?P<ten>[-+]?\d+)\)?|\^\s*\(?(?P<power>[-+]?\d+)\)?)?)"
    rf"(?:\s+(?P<scale>{_SCALE})s?\b)?"
    rf"|\b(?P<below>(?:minus|negative)\s+)?(?P<words>{_SPELLED})\b",
    re.IGNORECASE,
)
_RANGE = re.compile(r"\s*(?:-|\u2013|to|and|or)\s*$", re.IGNORECASE)
_BETWEEN = re.compile(r"\b(?:between|from)\s*$", re.IGNORECASE)


@dataclass(frozen=True)
class Number:
    """A number in a text.

    Attributes:
        value: NaN for what is none, such as 1.2.3, and for either end of a range.
        start: Of its first character.
        end: After its last character.
        spelled: Whether it is in words.
    """

    value: float
    start: int
    end: int
    spelled: bool = False


def numbers(text: str) -> Iterator[Number]:
    """The numbers of prepared text, in their order.

    "9,81" and "9.81" are one number, and so are "1,000", "1 000" and "1'000"; a single comma or point before
    three digits is one of thousands only if it is a comma. "5e3", "5 x 10^3", "1/2", "five thousand" and
    "twenty-five" are numbers, and "minus five" is a negative one. What is part of a word or of a power is
    none.
    """
    read = [_number(match) for match in _NUMBER.finditer(text)]
    for place, number in enumerate(read):
        before = text[read[place - 1].end : number.start] if place else "a"
        after = text[number.end : read[place + 1].start] if place + 1 < len(read) else "a"
        ranged = _ranged(text, read[place - 1].start if place else 0, before) or _ranged(
            text, number.start, after
        )
        yield Number(math.nan, number.start, number.end, number.spelled) if ranged else number


def _ranged(text: str, start: int, gap: str) -> bool:
    """Whether a number goes on in a range: "5-10", "5 to 10", "5 or 10", "between 5 and 10"."""
    match = _RANGE.fullmatch(gap)
    if match is None:
        return False
    return gap.strip().lower() != "and" or bool(_BETWEEN.search(text[:start]))


def _number(match: re.Match[str]) -> Number:
    if match["words"]:
        value = _spelled(match["words"].lower())
        return Number(-value if match["below"] else value, match.start(), match.end(), spelled=True)
    value = _quotient(match["over"], match["under"]) if match["over"] else _decimal(match["digits"])
    try:
        if exponent := match["e"] or match["ten"]:
            value *= 10.0 ** _exponent(exponent)
        elif match["power"]:
            value = value ** _exponent(match["power"])
    except (OverflowError, ZeroDivisionError):
        value = math.nan
    value *= _SCALES[match["scale"].lower()] if match["scale"] else 1
    return Number(value if match["sign"] in (None, "+") else -value, match.start(), match.end())


def _exponent(digits: str) -> int:
    """An exponent, of which so many digits are read as decide that the number is none."""
    return int(digits[:18])


def _quotient(over: str, under: str) -> float:
    return int(over[:18]) / int(under[:18]) if int(under[:18]) else math.nan


def _decimal(digits: str) -> float:
    """The value of digits with separators; NaN where these make no sense."""
    digits = re.sub(r"[ '_]", "", digits)
    commas, points = digits.count(","), digits.count(".")
    if commas and points:
        decimal = max(",.", key=digits.rfind)
        if digits.count(decimal) > 1:
            return math.nan
        whole, _, fraction = digits.rpartition(decimal)
        return _thousands(whole, fraction, "," if decimal == "." else ".")
    if commas > 1 or points > 1:
        return _thousands(digits, "", "," if commas else ".")
    if commas and re.fullmatch(r"[1-9]\d{0,2},\d{3}", digits):
        return float(digits.replace(",", ""))
    return float(digits.replace(",", "."))


def _thousands(whole: str, fraction: str, separator: str) -> float:
    first, *groups = whole.split(separator)
    if not 1 <= len(first) <= 3 or any(len(group) != 3 for group in groups):
        return math.nan
    return float(f"{first}{''.join(groups)}.{fraction or '0'}")


def _spelled(words: str) -> float:
    """The value of a number in words, such as "two hundred and fifty thousand" or "nine point eight one"."""
    total, current = 0.0, 0.0
    whole, _, decimals = words.partition(" point ")
    if decimals:
        digits = "".join(str(_WORDS[word]) for word in decimals.split())
        return _spelled(whole) + float(f"0.{digits[:18]}")
    for word in re.findall(r"[a-z]+", whole):
        if word == "hundred":
            current = (current or 1) * 100
        elif word in _SCALES:
            total, current = total + (current or 1) * _SCALES[word], 0.0
        elif word != "and":
            current += _WORDS[word]
    return total + current
