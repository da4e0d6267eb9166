"""Colours, marks and patterns that can be distinguished without colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

Marker: TypeAlias = Literal[
    "circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x", "star"
]
Dash: TypeAlias = Literal["solid", "dash", "dot", "dashdot"]
Pattern: TypeAlias = Literal["", "/", "\\", "x", ".", "-", "+"]

# Okabe and Ito (2008), Color Universal Design: distinguishable under every common colour blindness.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW = "#56B4E9", "#CC79A7", "#F0E442"
GREY = "#7f7f7f"
SCALE = "viridis"
"""Ordered colours that keep their order in grey too."""


@dataclass(frozen=True)
class Look:
    """How a series is drawn.

    Attributes:
        size: Diameter of marks, in points.
        width: Of lines, in points.
        opacity: From 0 to 1.
        hollow: Whether marks are outlines.
    """

    colour: str = GREY
    marker: Marker = "circle"
    dash: Dash = "solid"
    pattern: Pattern = ""
    size: float = 7.0
    width: float = 1.6
    opacity: float = 1.0
    hollow: bool = False


INK = Look()
BASE = Look(GREY, "square", "dash", "/", 10)
BASELINES = (
    BASE,
    Look(GREEN, "diamond", "dashdot", size=10),
    Look(PURPLE, "triangle-down", "dot", size=10),
    Look(ORANGE, "triangle-up", "dash", size=10),
    Look(SKY, "cross", "dashdot", size=10),
    Look("#8c6d1f", "x", "dot", size=10),
)
"""Of the untouched model, and of other references in their order."""
BEST = Look(VERMILION, "star", size=15)
FLOOR = Look(VERMILION, dash="dot")
FRONT = Look(BLUE, "circle", size=9)
DOMINATED = Look("#8a8a8a", "circle", size=6, hollow=True)

_COLOURS = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, GREY, "#8c6d1f", "#004c6d", "#5b2a86")
_MARKERS: tuple[Marker, ...] = (
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "triangle-down",
    "cross",
    "x",
    "star",
)
_DASHES: tuple[Dash, ...] = ("solid", "dash", "dot", "dashdot")
_PATTERNS: tuple[Pattern, ...] = ("", "/", "\\", "x", ".", "-", "+")


def nth(index: int) -> Look:
    """A look for the series of that index, apart from its neighbours in colour, mark, dash and pattern."""
    return Look(
        _COLOURS[index % len(_COLOURS)],
        _MARKERS[index % len(_MARKERS)],
        _DASHES[index % len(_DASHES)],
        _PATTERNS[index % len(_PATTERNS)],
    )


OUTCOME_LOOKS = {
    "right": Look(BLUE, pattern=""),
    "wrong": Look(ORANGE, pattern="/"),
    "unparseable": Look(PURPLE, pattern="x"),
    "leaking": Look("#6b6b6b", pattern="."),
}

GRADE_LOOKS = {
    "maintained": Look(BLUE, pattern=""),
    "slight": Look(SKY, pattern="/"),
    "moderate": Look(ORANGE, pattern="x"),
    "catastrophic": Look(VERMILION, pattern="-"),
}


def ink(red: float, green: float, blue: float) -> str:
    """Black or white, whichever is read better on a colour: at least 4.5 to 1 by WCAG 2's contrast.

    Args:
        red: From 0 to 1, in sRGB.
        green: Likewise.
        blue: Likewise.
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    # There both have the same contrast: (1 + 0.05) / (L + 0.05) = (L + 0.05) / 0.05.
    return "#000000" if luminance > 0.1791 else "#ffffff"


def ended(status: str, cause: str | None) -> Look:
    """The look of a trial by how it ended."""
    if status == "completed":
        return replace(FRONT, size=7)
    if status == "diverged":
        return Look(VERMILION, "x", "dot", "x")
    if cause is not None and cause.startswith("guard"):
        return Look(ORANGE, "triangle-down", "dash", "/")
    if status == "stopped":
        return Look(SKY, "square", "solid", "\\", opacity=0.8)
    return Look(GREY, "diamond", "dashdot", ".")


_MANY = 8


def log_ticks(values: Sequence[object]) -> tuple[list[float], list[str]] | None:
    """Places and labels at powers of ten, and at three times these where those alone are few.

    Args:
        values: What the axis shows; what is no positive number does not count.

    Returns:
        None where the values do not span as much as a factor of three: the library's own ticks do then.
    """
    positive = [v for v in values if isinstance(v, int | float) and math.isfinite(v) and v > 0]
    if not positive or max(positive) / min(positive) < 3:
        return None
    low, high = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
    factors = (1, 3) if 2 * (high - low) <= _MANY else (1,)
    ticks = [float(f"{factor}e{power}") for power in range(low, high + 1) for factor in factors]
    # One tick beyond each end at most, as the axis has some room there.
    ticks = [tick for tick in ticks if min(positive) / 2 <= tick <= max(positive) * 2]
    return ticks, [f"{tick:g}" if 0.01 <= tick < 1e4 else f"{tick:.0e}" for tick in ticks]
