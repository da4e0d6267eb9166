"""When a model is evaluated, and which skills are asked then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from trainables.settings import At

Moment: TypeAlias = Literal["rung", "last", "front", "base"]
"""A trial is at a rung before the last, at its full budget, or on the Pareto front of the finished search;
or it is the base model that is evaluated."""

ASKED: Mapping[Moment, frozenset[At]] = {
    "rung": frozenset({"every"}),
    "last": frozenset({"every", "last"}),
    "front": frozenset({"front"}),  # all else was measured when the trial was at its full budget
    "base": frozenset({"every", "last", "front"}),
}
"""The skills that are asked, by their `at`."""
