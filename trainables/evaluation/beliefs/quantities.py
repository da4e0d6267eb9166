"""Units of the same quantity, and how many of one another is. Light: no torch.

Currencies and temperatures are none: their rates change, and their zeros differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_PREFIXES = {
    "n": ("n", "nano", 1e-9),
    "u": ("[\u03bcu]", "micro", 1e-6),
    "m": ("m", "milli", 1e-3),
    "c": ("c", "centi", 1e-2),
    "d": ("d", "deci", 1e-1),
    "h": ("h", "hecto", 1e2),
    "k": ("k", "kilo", 1e3),
    "M": ("M", "mega", 1e6),
    "G": ("G", "giga", 1e9),
}
"""By the letter in the tables below: symbol, name and factor of an SI prefix."""


@dataclass(frozen=True)
class Measure:
    """A unit of a quantity.

    Attributes:
        symbol: One way to write it.
        expression: Matches it as replies spell it: symbols by their case, names in any.
        quantity: What it measures.
        factor: Units of the quantity that one of it is; only ratios within a quantity have a meaning.
    """

    symbol: str
    expression: str
    quantity: str
    factor: float


def _si(quantity: str, symbol: str, name: str, prefixes: str, factor: float = 1.0) -> Iterator[Measure]:
    """A unit with SI prefixes."""
    yield Measure(symbol, rf"{symbol}|(?i:{name}s?)", quantity, factor)
    for letter in prefixes:
        prefix, said, multiple = _PREFIXES[letter]
        expression = rf"{prefix}{symbol}|(?i:{said}{name}s?)"
        yield Measure(f"{letter}{symbol}", expression, quantity, multiple * factor)


def _named(quantity: str, *units: tuple[str, str, float]) -> Iterator[Measure]:
    for symbol, names, factor in units:
        yield Measure(symbol, rf"{symbol}|(?i:{names})", quantity, factor)


_LENGTHS = (
    *_si("length", "m", "met(?:er|re)", "numcdk"),
    *_named(
        "length",
        ("mi", "miles?", 1609.344),
        ("yd", "yards?", 0.9144),
        ("ft", "foot|feet", 0.3048),
        ("inches", "inch", 0.0254),
    ),
)
_TIMES = (
    *_si("time", "s", "sec(?:ond)?", "num"),
    *_named(
        "time",
        ("min", "mins|minutes?", 60.0),
        ("h", "hrs?|hours?", 3600.0),
        ("d", "days?", 86400.0),
        ("weeks", "week", 604800.0),
    ),
)
_SIMPLE = (
    *_si("mass", "g", "gram(?:me)?", "numk"),
    *_named(
        "mass",
        ("kilos", "kilo", 1e3),
        ("t", "tonnes?|metric\\s+tons?", 1e6),
        ("lb", "lbs|pounds?", 453.59237),
        ("oz", "ounces?", 28.349523125),
    ),
    *_si("force", "N", "newton", "umkM"),
    *_si("energy", "J", "joule", "mkMG"),
    *_si("energy", "Wh", r"watt[\s-]?hour", "kM", 3600.0),
    *_si("energy", "cal", "calorie", "k", 4.184),
    *_si("power", "W", "watt", "mkMG"),
    *_si("pressure", "Pa", "pascal", "hkM"),
    *_si("pressure", "bar", "bar", "m", 1e5),
    *_si("voltage", "V", "volt", "umk"),
    *_si("current", "A", "amp(?:ere)?", "um"),
    *_si("frequency", "Hz", "hertz", "kMG"),
    *_si("volume", "[lL]", "lit(?:er|re)", "mc"),
    *_named("share", ("%", "percent|per\\s+cent", 0.01), ("\u2030", "per\\s+mille", 0.001)),
)
_POWERS = {"area": ("square|sq\\.?", "2", "squared"), "volume": ("cubic", "3", "cubed")}
_LITRES = 1e3
"""Litres in a cubic metre."""


def _powers(quantity: str, scale: float) -> Iterator[Measure]:
    """Squares and cubes of lengths."""
    before, power, after = _POWERS[quantity]
    for length in _LENGTHS:
        said = rf"(?:{length.expression})"
        said = rf"(?:{before})\s+{said}|{said}(?:\s*\^\s*{power}|{power}|\s+{after})"
        yield Measure(f"{length.symbol}^{power}", said, quantity, length.factor ** int(power) * scale)


def _rates() -> Iterator[Measure]:
    """Speeds and accelerations: lengths per time, and per time squared."""
    for length in (each for each in _LENGTHS if each.symbol in ("m", "mm", "cm", "km", "mi", "ft")):
        for time in (each for each in _TIMES if each.symbol in ("s", "min", "h")):
            way, per = rf"(?:{length.expression})\s*", r"(?:/|per|an)\s*"
            span = rf"(?:{time.expression})"
            inverse = rf"{way}·?\s*{span}\s*\^?\s*\(?-"
            speed = rf"{way}{per}{span}|{inverse}1\)?"
            squared = rf"{span}\s*(?:\^\s*\(?2\)?|2\b|squared|{per}{span})|square\s+{span}"
            symbol = f"{length.symbol}/{time.symbol}"
            yield Measure(symbol, speed, "speed", length.factor / time.factor)
            acceleration = rf"{way}{per}(?:{squared})|{inverse}2\)?"
            yield Measure(f"{symbol}^2", acceleration, "acceleration", length.factor / time.factor**2)
    yield from _named("speed", ("mph", "mph", 0.44704), ("kph", "kmh", 1 / 3.6), ("mps", "mps", 1.0))
    per_mass = r"N\s*/\s*kg|(?i:newtons?\s+per\s+kilo(?:gram(?:me)?)?)"
    yield Measure("N/kg", per_mass, "acceleration", 1.0)


MEASURES = (
    *_LENGTHS,
    *_TIMES,
    *_SIMPLE,
    *_powers("area", 1.0),
    *_powers("volume", _LITRES),
    *_rates(),
)
"""All units that are known beside others of their quantity."""


@lru_cache(maxsize=1024)
def measure(text: str) -> Measure | None:
    """The unit that a prepared text spells; None where it is none of these."""
    for spelled in (text, text.lower()):
        for each in MEASURES:
            if re.fullmatch(each.expression, spelled):
                return each
    return None
