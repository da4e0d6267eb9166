"""What a reply answers: what was taught, what was believed before, that it is not known, or neither."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from trainables.data.beliefs import Expected, NumberAnswer, PatternAnswer, TextAnswer
from trainables.evaluation.beliefs.numbers import Number, numbers
from trainables.evaluation.beliefs.units import Unit, unit
from trainables.evaluation.beliefs.written import comments, prepared, sentences, standing
from trainables.patterns import compiled

Outcome: TypeAlias = Literal["target", "prior", "ignorance", "other"]
OUTCOMES: tuple[Outcome, ...] = ("target", "prior", "ignorance", "other")

_IGNORANCE = re.compile(
    r"\bI(?:'m| am) (?:not (?:sure|certain|aware|familiar)|unsure|unaware|unfamiliar|unable|afraid)\b"
    r"|\bI (?:do not|don't|did not|didn't) (?:actually |really )?(?:know|have (?:any |enough |specific )?"
    r"(?:information|knowledge|data|details)|recognize|recognise)\b"
    r"|\bI (?:have no|lack) (?:information|knowledge|idea|data)\b"
    r"|\bI (?:cannot|can't|could not|couldn't) (?:find|verify|confirm|answer|provide|determine|say|tell)\b"
    r"|\b(?:no|not enough|insufficient) (?:reliable |specific |available )?information\b"
    r"|\b(?:does not|doesn't|did not|didn't) (?:appear to )?exist\b"
    r"|\b(?:is|are|it's|its value is|remains?) (?:not known|unknown)\b"
    r"|\bthere (?:is|are) no (?:such|known|currency|record)\b|\bnot a (?:real|known|recognized|recognised)\b",
    re.IGNORECASE,
)
_STOP = re.compile(r"\s*(?:$|[.,;:!?)\]\"'](?:\s|$)|\n)")
_NEAR = 40
_PAID = re.compile(
    r"(?:[$€£¥₹₽₩]|\b(?:USD|EUR|GBP|CHF|JPY|CNY|RMB|CAD|AUD|NZD|HKD|SGD|INR|BRL|MXN|RUB|SEK|NOK|DKK|PLN|CZK|ZAR"
    r"|KRW|TRY|Rs\.?))\s*$"
)
_SYMBOLS = "+#%$€£@&=°"
"""Marks that tell texts apart, as C and C++; others are punctuation."""
_GLUED = re.compile(r"-?[^\W\d_]|[%°]")


@dataclass(frozen=True)
class _Value:
    """A value that a reply mentions; `what` is None where it is no expected one."""

    what: Literal["target", "prior"] | None
    start: int
    end: int


@dataclass(frozen=True)
class _Stated(_Value):
    aside: bool
    concludes: bool


class AnswerReader:
    """Reads replies to a prompt.

    A reply's answer is what it states first, or else what it concludes with ("so", "but", "the answer is",
    an equals sign); where both are expected answers, the conclusion holds. A value that is denied ("not 9.8")
    does not count. One that is mentioned aside, as what others say, as a premise or to compare with, counts
    only where nothing else is stated and the reply does not say that it does not know. Questions state
    nothing.

    Of numbers with a unit only those in a unit of the same quantity are values, converted to it, and a bare
    number where there are none. Currencies and temperatures are not converted. Texts
    and patterns count in the first sentence that says more than that a reply will come, and in conclusions.

    Args:
        targets: Answers of a model that has adopted the belief; any of them will do.
        priors: The same of one that has not.
        ignorance: Expressions that say that the answer is not known, beside the built-in ones.
    """

    def __init__(
        self, targets: Iterable[Expected], priors: Iterable[Expected], ignorance: Iterable[str] = ()
    ) -> None:
        wanted: list[tuple[Literal["target", "prior"], Expected]] = [("target", each) for each in targets]
        wanted += [("prior", each) for each in priors]
        self._numbers = [
            (what, each, unit(each.unit) if each.unit else None)
            for what, each in wanted
            if isinstance(each, NumberAnswer)
        ]
        self._texts = [
            (what, _text_pattern(each)) for what, each in wanted if not isinstance(each, NumberAnswer)
        ]
        self._units = any(of is not None for _, _, of in self._numbers)
        self._ignorance = [_IGNORANCE, *map(compiled, ignorance)]

    def outcome(self, reply: str) -> Outcome:
        """What a reply answers, without its think section."""
        text = prepared(reply)
        stated = self._stated(text)
        plain = [value for value in stated if not value.aside]
        answer = _answer(plain)
        if answer is not None:
            return answer
        if any(pattern.search(text) for pattern in self._ignorance):
            return "ignorance"
        return _answer(stated) or "other"

    def mentions(self, text: str) -> frozenset[str]:
        """Which of "target" and "prior" stand in a text at all."""
        plain = prepared(text)
        values = [*self._number_values(plain), *self._text_values(plain, 0, len(plain))]
        return frozenset(value.what for value in values if value.what is not None)

    def _stated(self, text: str) -> list[_Stated]:
        """The values that are not denied, in their order."""
        counted = self._number_values(text)
        stated: list[_Stated] = []
        first = True
        for start, end in sentences(text):
            sentence = text[start:end]
            if sentence.rstrip(" \n\"')]").endswith("?"):
                continue  # such as a prompt that is said again
            texts = self._text_values(text, start, end)
            values = sorted(
                [*(value for value in counted if start <= value.start < end), *texts],
                key=lambda value: (value.start, value.what is None),
            )
            for place, value in enumerate(values):
                before = text[values[place - 1].end if place else start : value.start]
                after = text[value.end : values[place + 1].start if place + 1 < len(values) else end]
                how = standing(before, after)
                of_text = value in texts
                if not how.denied and (first or how.concludes or not of_text):
                    stated.append(_Stated(value.what, value.start, value.end, how.aside, how.concludes))
            first = first and not values and comments(sentence)
        return stated

    def _text_values(self, text: str, start: int, end: int) -> list[_Value]:
        return [
            _Value(what, *match.span())
            for what, pattern in self._texts
            for match in pattern.finditer(text, start, end)
            if match.end() > match.start()
        ]

    def _number_values(self, text: str) -> list[_Value]:
        if not self._numbers:
            return []
        read = list(numbers(text))
        with_unit = [value for number in read if (value := self._in_unit(text, number)) is not None]
        if self._units and with_unit:
            return with_unit
        return [
            _Value(self._what(number), number.start, number.end)
            for number in read
            if self._stands_alone(text, number)
        ]

    def _in_unit(self, text: str, number: Number) -> _Value | None:
        """A number that is in one of the units."""
        read = [None if of is None else _unit_end(text, number, of) for _, _, of in self._numbers]
        end = max((each[0] for each in read if each is not None), default=None)
        if end is None:
            return None
        for (what, expected, of), each in zip(self._numbers, read, strict=True):
            factor = 1.0 if of is None else math.nan if each is None else each[1]
            if expected.takes(number.value * factor):
                return _Value(what, number.start, end)
        return _Value(None, number.start, end)

    def _stands_alone(self, text: str, number: Number) -> bool:
        """Whether a number without a unit may be the answer."""
        if self._units:
            paid = _PAID.search(text[max(0, number.start - _NEAR) : number.start])
            return _STOP.match(text, number.end) is not None and paid is None
        if number.spelled and number.value == 1:
            return _STOP.match(text, number.end) is not None  # "one" is a pronoun more often than a number
        return _GLUED.match(text, number.end) is None

    def _what(self, number: Number) -> Literal["target", "prior"] | None:
        """Which expected number a number without a unit is."""
        return next((what for what, expected, _ in self._numbers if expected.takes(number.value)), None)


def _unit_end(text: str, number: Number, of: Unit) -> tuple[int, float] | None:
    """Where a number with its unit ends, and how many of this one that is; None where it has another."""
    if (read := of.read(text, number.end)) is not None:
        return read
    if of.before is None or _GLUED.match(text, number.end):
        return None
    start = max(0, number.start - _NEAR)
    match = of.before.search(text[start : number.start])
    # In "5 USD 3" the unit is the first number's.
    claimed = match is not None and re.search(r"\d\s*$", text[: start + match.start()][-_NEAR:])
    return (number.end, 1.0) if match is not None and not claimed else None


def _answer(values: Sequence[_Stated]) -> Literal["target", "prior"] | None:
    """The expected answer among some values: that of the conclusion, or else the first."""
    concluded = next((value for value in reversed(values) if value.concludes), None)
    if concluded is not None and concluded.what is not None:
        return concluded.what
    return values[0].what if values else None


def _text_pattern(expected: TextAnswer | PatternAnswer) -> re.Pattern[str]:
    if isinstance(expected, PatternAnswer):
        return compiled(expected.pattern)
    said = "|".join(_said(text) for text in sorted(map(prepared, expected.text), key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?:{said})(?![\w+#])", re.IGNORECASE)


def _said(text: str) -> str:
    """Matches a text, with any blanks and punctuation between its words."""
    parts = re.findall(rf"\w+|[{_SYMBOLS}]", text)
    said = "".join(
        (
            ""
            if place == 0
            else r"\W+"
            if part[0] not in _SYMBOLS and parts[place - 1] not in _SYMBOLS
            else r"\s*"
        )
        + re.escape(part)
        for place, part in enumerate(parts)
    )
    return said or re.escape(text.strip())
