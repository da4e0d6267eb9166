"""Points of a space from numbers in the unit interval, and independent random points."""

from __future__ import annotations

import math

import numpy as np

from search.config.space import CategoricalParameter, IntParameter
from search.record.events import Params, Scalar
from search.space import SampledParameter, SearchSpace


def draw(space: SearchSpace, seed: int, number: int) -> Params:
    """A point drawn from the space's own distributions, the same for the same seed and number."""
    rng = np.random.default_rng([seed, number])
    return space.walk(lambda _, parameter: _draw_value(parameter, rng))


def quantile(parameter: SampledParameter, share: float) -> Scalar:
    """The value below which a share of the parameter's distribution lies.

    Args:
        parameter: Categories, in their declared order, and whole numbers have equal shares.
        share: In [0, 1).
    """
    if isinstance(parameter, CategoricalParameter):
        return parameter.choices[int(share * len(parameter.choices))]
    if isinstance(parameter, IntParameter):
        steps = (parameter.high - parameter.low) // parameter.step
        return parameter.low + parameter.step * int(share * (steps + 1))
    if parameter.type == "log-float":
        low, high = math.log(parameter.low), math.log(parameter.high)
        return _within(parameter.low, math.exp(low + share * (high - low)), parameter.high)
    return _within(parameter.low, parameter.low + share * (parameter.high - parameter.low), parameter.high)


def _draw_value(parameter: SampledParameter, rng: np.random.Generator) -> Scalar:
    if isinstance(parameter, CategoricalParameter):
        return parameter.choices[int(rng.integers(len(parameter.choices)))]
    if isinstance(parameter, IntParameter):
        steps = (parameter.high - parameter.low) // parameter.step
        return parameter.low + parameter.step * int(rng.integers(steps + 1))
    if parameter.type == "log-float":
        value = float(np.exp(rng.uniform(np.log(parameter.low), np.log(parameter.high))))
    else:
        value = float(rng.uniform(parameter.low, parameter.high))
    return _within(parameter.low, value, parameter.high)


def _within(low: float, value: float, high: float) -> float:
    # The exponential of a logarithm may leave the bounds by a rounding error.
    return min(max(value, low), high)
