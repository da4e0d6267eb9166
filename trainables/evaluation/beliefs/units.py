"""Units as replies spell them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from trainables.evaluation.beliefs.written import prepared

_METRE, _SECOND = r"met(?:er|re)s?", r"(?:seconds?|sec)"
_ALIASES: tuple[tuple[str, tuple[str, ...], bool], ...] = (
    (
        rf"m\s*/\s*s\s*(?:\^\s*\(?2\)?|2\b|/\s*s)|m\s*·?\s*s\s*\^?\s*\(?-2\)?"
        rf"|{_METRE}\s*(?:per|/)\s*{_SECOND}\s*(?:squared|\^\s*2|2\b|(?:per|/)\s*{_SECOND})"
        rf"|{_METRE}\s*(?:per|/)\s*square\s+second",
        ("m/s^2", "m/s2", "m s^-2", "m/s/s"),
        False,
    ),
    (rf"m\s*/\s*s(?:ec)?|m\s*·?\s*s\s*\^?\s*-1|{_METRE}\s*(?:per|/)\s*{_SECOND}|mps", ("m/s",), False),
    (r"km\s*/\s*h(?:r|our)?|kph|kmh|kilomet(?:er|re)s?\s*(?:per|an|/)\s*hour", ("km/h",), False),
    (r"N|[Nn]ewtons?", ("n", "newton", "newtons"), False),
    (r"J|[Jj]oules?", ("j", "joule", "joules"), False),
    (r"W|[Ww]atts?", ("w", "watt", "watts"), False),
    (r"Pa|[Pp]ascals?", ("pa", "pascal"), False),
    (r"kg|kilos?|kilograms?", ("kg", "kilogram"), False),
    (r"g|grams?", ("g", "gram"), False),
    (rf"m|{_METRE}", ("m", "metre", "meter"), False),
    (r"km|kilomet(?:er|re)s?", ("km", "kilometre", "kilometer"), False),
    (r"cm|centimet(?:er|re)s?", ("cm", "centimetre", "centimeter"), False),
    (rf"s|secs?|{_SECOND}", ("s", "second", "seconds"), False),
    (r"h|hrs?|hours?", ("h", "hour", "hours"), False),
    (r"%|percent|per cent", ("%", "percent"), False),
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
"""Expression, what a spelling of the unit is in lower case, and whether it is a currency."""

_CODE = re.compile(r"[A-Z]{3}|[$€£¥₹]")
_APART = r"(?![\w^])"
_GOES_ON = r"(?!\s*[/·\u00d7]\s*[A-Za-z])(?!\s+(?:per|squared|cubed|square)\b)"
_SHORT = 2
"""Letters of a unit up to which their case counts: mN is not MN."""


@dataclass(frozen=True)
class Unit:
    """A unit with all its spellings.

    Attributes:
        after: Matches it where it stands after a number, and nothing that goes on, such as N in N/kg.
        before: Matches it at the end of what stands before a number; None where it cannot stand there.
    """

    after: re.Pattern[str]
    before: re.Pattern[str] | None


@lru_cache(maxsize=1024)
def unit(spellings: Sequence[str]) -> Unit:
    """The unit that goes by some spellings; at least one."""
    after: list[str] = []
    before: list[str] = []
    for spelling in spellings:
        text = prepared(spelling).strip()
        alias = next((entry for entry in _ALIASES if text.lower() in entry[1]), None)
        money = alias[2] if alias else bool(_CODE.fullmatch(text))
        said = "|".join(filter(None, (_expression(text), alias and alias[0])))
        end = r"(?!\w)" if text in "$€£¥₹%" else _APART
        after.append(rf"(?:{said}){end}" + ("" if money else _GOES_ON))
        before += [said] if money else []
    return Unit(
        re.compile(rf"\s*-?\s*(?:{'|'.join(after)})"),
        re.compile(rf"(?<![\w$])(?:{'|'.join(before)})\s*$") if before else None,
    )


def _expression(text: str) -> str:
    """Matches a spelling in singular and plural, with spaces or without them."""
    parts = re.findall(r"\w+|[^\w\s]", text)
    said = r"\s*".join(map(re.escape, parts)).replace(r"\^", r"\^?")
    if re.search(r"[^\W\d_]{3,}$", text):
        said += "(?:s|es)?"
    return said if sum(map(str.isalpha, text)) <= _SHORT else f"(?i:{said})"
