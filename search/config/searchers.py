"""Schema of the searchers' own options, one section per searcher."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from trainables.settings import Positive, Section

Stopped: TypeAlias = Literal["pending", "projected", "rung", "worse"]


class RandomConfig(Section):
    """Independent random points."""

    name: Literal["random"]


class GridConfig(Section):
    """Every combination of values."""

    name: Literal["grid"]


class ListedConfig(Section):
    """Only the points that the space lists."""

    name: Literal["listed"]


class QmcConfig(Section):
    """Quasi-random points. `sequence` is the low-discrepancy sequence, which is scrambled by the seed."""

    name: Literal["qmc"]
    sequence: Literal["sobol", "halton"] = "sobol"


class _ModelConfig(Section):
    """What searchers that fit a model have in common.

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


class TpeConfig(_ModelConfig):
    """Tree-structured Parzen estimator, multi-objective and multivariate."""

    name: Literal["tpe"]


class GpConfig(_ModelConfig):
    """Gaussian processes and expected hypervolume improvement."""

    name: Literal["gp"] = "gp"
    stopped: Stopped = "pending"


class _GeneticConfig(_ModelConfig):
    """What genetic searchers have in common. `population` is the number of trials of a generation."""

    population: Annotated[int, Field(ge=4, le=10_000)] = 16


class Nsga2Config(_GeneticConfig):
    """NSGA-II."""

    name: Literal["nsga2"]


class Nsga3Config(_GeneticConfig):
    """NSGA-III."""

    name: Literal["nsga3"]


SearcherConfig: TypeAlias = Annotated[
    TpeConfig | GpConfig | Nsga2Config | Nsga3Config | QmcConfig | RandomConfig | GridConfig | ListedConfig,
    Field(discriminator="name"),
]
"""Who proposes trials, by name, with that searcher's options."""
