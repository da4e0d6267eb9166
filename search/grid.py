"""Values that a grid takes from a parameter."""

from __future__ import annotations

from search.config.space import CategoricalParameter, FloatParameter, IntParameter
from search.record.events import Scalar


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
