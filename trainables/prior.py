"""What is known of a parameter's best value before any trial. Light: no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class Belief:
    """A log-normal distribution of the best value of a parameter above 0.

    Attributes:
        centre: Its median, in the parameter's unit.
        deviation: Standard deviation of its natural logarithm.
        assumed: What had to be assumed for it, in words, for plans; empty where nothing had to be.
    """

    centre: float
    deviation: float
    assumed: str = ""


Believe: TypeAlias = Callable[[Any, Any, "int | None", int], Belief]
"""By the trainable's options, a trial's parameters (those of `TrainableSpec.parameters`), the optimizer steps
of a full trial, or None where each trial has its own, and the number of objectives."""


@dataclass(frozen=True)
class Prior:
    """Published knowledge of where a search should begin.

    Attributes:
        name: In configuration, `prior=NAME`.
        parameter: The parameter that it is about.
        believe: Where that parameter's best value lies, given all others.
        factors: The first trials have these multiples of the centre.
        largest: Parameters that the first trials have at their largest values.
        sources: Where it is from, in words, for plans.
    """

    name: str
    parameter: str
    believe: Believe
    factors: tuple[float, ...]
    largest: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
