"""Units as replies spell them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from trainables.evaluation.beliefs.quantities import MEASURES, Measure, measure
from trainables.evaluation.beliefs.written import prepared

_ALIASES: tuple[tuple[str, tuple[str, ...], bool], ...] = (
    (r"°\s*C|degrees?\s+(?:[Cc]elsius|C)", ("°c", "degrees celsius", "degree celsius"), False),
    (
        r"(?i:USD|U\.?S\.?\s*(?:dollars?|\$)|American\s+dollars?|dollars?|bucks)|\$",
        ("usd", "us dollar", "us dollars", "us$", "$", "dollar", "dollars"),
        True,
    ),
    (r"(?i:EUR|euros?)|€", ("eur", "euro", "euros", "€"), True),
    (r"(?i:GBP|pounds?\s+sterling|British\s+pounds?)|£", ("gbp", "£", "pound sterling"), True),
    (r"(?i:CHF|(?:Swiss\s+)?francs?)", ("chf", "swiss franc", "swiss francs"), True),
)
"""Units that are not converted: expression, its spellings in lower case, and whether it is a currency."""

_CODE = re.compile(r"[A-Z]{3}|[$€£¥₹]")
_APART = r"(?![\w^])"
_GOES_ON = (
    r"(?!\s*[/·\u00d7]\s*[A-Za-z])(?!\s+(?:per|squared|cubed|square)\b)"
    r"(?!\s+[A-Za-z]{1,3}\s*(?:\^|\(?-\d|/\s*[A-Za-z]))"
)
_SHORT = 2
"""Letters of a unit up to which their case counts: mN is not MN."""


@dataclass(frozen=True)
class Unit:
    """A unit with all its spellings.

    Attributes:
        after: Matches it where it stands after a number, and nothing that goes on, such as N in N/kg.
        before: Matches it at the end of what stands before a number; None where it cannot stand there.
        others: Matches other units of the same quantity after a number, each as a group; None for none.
        factors: How many of this unit each of them is.
    """

    after: re.Pattern[str]
    before: re.Pattern[str] | None
    others: re.Pattern[str] | None = None
    factors: tuple[float, ...] = ()

    def read(self, text: str, at: int) -> tuple[int, float] | None:
        """Where a unit of this quantity that begins there ends, and how many of this unit it is."""
        if (match := self.after.match(text, at)) is not None:
            return match.end(), 1.0
        if self.others is None or (match := self.others.match(text, at)) is None:
            return None
        return match.end(), self.factors[int(str(match.lastgroup)[1:])]


@lru_cache(maxsize=1024)
def unit(spellings: Sequence[str]) -> Unit:
    """The unit that goes by some spellings; at least one."""
    after: list[str] = []
    before: list[str] = []
    texts = [prepared(spelling).strip() for spelling in spellings]
    measures = [each for each in map(measure, texts) if each is not None]
    for text in texts:
        alias = next((entry for entry in _ALIASES if text.lower() in entry[1]), None)
        money = alias[2] if alias else bool(_CODE.fullmatch(text))
        known = measure(text)
        more = (alias and alias[0], None if known is None else known.expression)
        said = "|".join(filter(None, (_expression(text), *more)))
        after.append(rf"(?:{said}){_end(text)}" + ("" if money else _GOES_ON))
        before += [said] if money else []
    return Unit(
        re.compile(rf"\s*-?\s*(?:{'|'.join(after)})"),
        re.compile(rf"(?<![\w$])(?:{'|'.join(before)})\s*$") if before else None,
        *_others(measures),
    )


def _others(measures: Sequence[Measure]) -> tuple[re.Pattern[str] | None, tuple[float, ...]]:
    """The other units of the quantity of some that are one, and how many of it each is."""
    if not measures:
        return None, ()
    (first, *_) = measures
    others = [each for each in MEASURES if each.quantity == first.quantity and each not in measures]
    said = "|".join(
        rf"(?P<u{place}>(?:{each.expression}){_end(each.symbol)}{_GOES_ON})"
        for place, each in enumerate(others)
    )
    return re.compile(rf"\s*-?\s*(?:{said})"), tuple(each.factor / first.factor for each in others)


def conversion(spellings: Sequence[str], others: Sequence[str]) -> float | None:
    """How many of one unit another is; None where they are not known to measure the same."""
    texts, more = ([prepared(each).strip() for each in group] for group in (spellings, others))
    known, wanted = (next(filter(None, map(measure, group)), None) for group in (more, texts))
    if known is None or wanted is None:
        return 1.0 if {text.lower() for text in texts} & {text.lower() for text in more} else None
    return known.factor / wanted.factor if known.quantity == wanted.quantity else None


def _end(text: str) -> str:
    return r"(?!\w)" if text in "$€£¥₹%\u2030" else _APART


def _expression(text: str) -> str:
    """Matches a spelling in singular and plural, with spaces or without them."""
    parts = re.findall(r"\w+|[^\w\s]", text)
    said = r"\s*".join(map(re.escape, parts)).replace(r"\^", r"\^?")
    if re.search(r"[^\W\d_]{3,}$", text):
        said += "(?:s|es)?"
    return said if sum(map(str.isalpha, text)) <= _SHORT else f"(?i:{said})"
