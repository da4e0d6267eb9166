"""Schema of a search space's parameters."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from search.config.values import Value, Whole
from search.record.events import Scalar
from trainables.settings import Positive


class _Parameter(BaseModel):
    """What all parameters have.

    Attributes:
        when: Condition over parameters that are declared earlier, for example `rank >= 16`; where it is
            false, the trainable's default is used.
        type: Which kind of parameter it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    when: str | None = None


class FloatParameter(_Parameter):
    """A real number in [low, high]; uniform, or uniform in the logarithm for `log-float`.

    Attributes:
        low: Least value, itself possible.
        high: Greatest value, itself possible.
        points: Number of evenly spaced values that the `grid` searcher takes from it.
    """

    type: Literal["float", "log-float"]
    low: FiniteFloat
    high: FiniteFloat
    points: Positive | None = None

    @model_validator(mode="after")
    def _bounds(self) -> FloatParameter:
        if self.low > self.high:
            raise ValueError(f"low ({self.low:g}) is above high ({self.high:g}); swap them")
        if self.type == "log-float" and self.low <= 0:
            raise ValueError(f"low ({self.low:g}) must be above 0 for log-float")
        return self


class IntParameter(_Parameter):
    """A whole number in [low, high].

    Attributes:
        low: Least value, itself possible.
        high: Greatest value.
        step: Distance of neighbouring values, counted from `low`.
    """

    type: Literal["int"]
    low: Whole
    high: Whole
    step: Positive = 1

    @model_validator(mode="after")
    def _bounds(self) -> IntParameter:
        if self.low > self.high:
            raise ValueError(f"low ({self.low}) is above high ({self.high}); swap them")
        return self


class CategoricalParameter(_Parameter):
    """One of the listed values; no order is assumed.

    Attributes:
        choices: The values: numbers, texts, true, false or null.
    """

    type: Literal["categorical"]
    choices: Annotated[tuple[Value, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _distinct(self) -> CategoricalParameter:
        if len({repr(choice) for choice in self.choices}) != len(self.choices):
            raise ValueError("choices contains the same value twice")
        return self


class ExpressionParameter(_Parameter):
    """A value computed from other parameters, for example `2 * rank`.

    Attributes:
        value: Expression over parameters that are declared earlier, and fixed ones.
    """

    type: Literal["expression"]
    value: str


Parameter: TypeAlias = Annotated[
    FloatParameter | IntParameter | CategoricalParameter | ExpressionParameter,
    Field(discriminator="type"),
]


def grid_count(parameter: FloatParameter | IntParameter | CategoricalParameter) -> int | None:
    """How many values `grid_values` gives, before repetitions are left out; None where it gives none."""
    if isinstance(parameter, CategoricalParameter):
        return len(parameter.choices)
    if isinstance(parameter, IntParameter):
        return (parameter.high - parameter.low) // parameter.step + 1
    return 1 if parameter.low == parameter.high else parameter.points


def grid_values(parameter: FloatParameter | IntParameter | CategoricalParameter) -> list[Scalar] | None:
    """All values of a categorical or whole-number parameter, or `points` evenly spaced real ones.

    Real values are spaced evenly in the logarithm for `log-float`; the bounds are among them, and a
    single point is the middle.

    Returns:
        The values without repetition, or None for a range of real numbers without `points`.
    """
    if isinstance(parameter, CategoricalParameter):
        return list(parameter.choices)
    if isinstance(parameter, IntParameter):
        return list(range(parameter.low, parameter.high + 1, parameter.step))
    if parameter.low == parameter.high:
        return [parameter.low]
    if parameter.points is None:
        return None
    if parameter.points == 1:
        return [_between(parameter, 0.5)]
    inner = [_between(parameter, i / (parameter.points - 1)) for i in range(1, parameter.points - 1)]
    return list(dict.fromkeys([parameter.low, *inner, parameter.high]))


def _between(parameter: FloatParameter, share: float) -> float:
    low, high = parameter.low, parameter.high
    value = low * (high / low) ** share if parameter.type == "log-float" else low + (high - low) * share
    # Twelve digits turn 9.999999999999999e-05 into the 1e-4 that was meant.
    return min(max(float(f"{value:.12g}"), low), high)
