"""Options that several searchers share. Light: no Optuna."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from search.config.choices import Choice
from trainables.settings import Positive

Stopped: TypeAlias = Literal["pending", "projected", "rung", "worse"]


class ModelOptions(Choice):
    """Options of searchers that fit a model.

    Attributes:
        startup: Random trials that must have finished before the model is used.
        stopped: What a trial that was stopped early teaches. "pending": no value, but to keep off it, as off
            one that still runs, unless it broke a constraint; "projected": its values, projected to the
            full budget from the curves of fully trained trials; "rung": all trials are compared at the
            highest rung that enough of them reached; "worse": only that it is worse than those trained to
            the end.
    """

    startup: Positive = 8
    stopped: Stopped = "projected"


class GeneticOptions(ModelOptions):
    """Options of genetic searchers.

    Attributes:
        population: Trials of a generation.
    """

    population: Annotated[int, Field(ge=4, le=10_000)] = 16


def after_startup(options: ModelOptions) -> int:
    """Trials that must have finished before a model is used."""
    return options.startup


def after_generation(options: GeneticOptions) -> int:
    """Trials of the first generation."""
    return max(options.startup, options.population)
