"""A part of a space: the points at which a condition holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from search.config.space import CategoricalParameter, FloatParameter, IntParameter
from search.record.events import Scalar
from search.searchers.draw import quantile
from search.space import SampledParameter
from search.spans import Span

Method: TypeAlias = Literal["exact", "counted", "sampled"]

COUNTED = 2048
"""Values that are looked at one by one, at most."""


@dataclass(frozen=True)
class Cell:
    """A part of the space in which a condition holds.

    Attributes:
        values: By axis a value, or the range of its quantiles.
        weight: Share of the space.
    """

    values: Mapping[str, Scalar | Span]
    weight: float


@dataclass(frozen=True)
class Region:
    """Where in the space a condition holds.

    Attributes:
        axes: Searched parameters that it depends on.
        cells: Parts in which it holds.
        method: How they were found.
    """

    axes: Mapping[str, SampledParameter]
    cells: tuple[Cell, ...]
    method: Method

    @property
    def share(self) -> float:
        """Share of the space, by the distributions that its parameters are drawn from."""
        total = math.fsum(cell.weight for cell in self.cells)
        return 1.0 if total > 1 - 1e-5 else total

    def values(self, axis: str) -> list[Scalar]:
        """Distinct values of an axis of choices in the region, in declared order."""
        inside = {repr(cell.values[axis]): cell.values[axis] for cell in self.cells}
        known = [repr(value) for value in finite_values(self.axes[axis]) or []]
        return [
            value
            for key, value in sorted(inside.items(), key=lambda item: _position(known, item[0]))
            if not isinstance(value, Span)
        ]

    def ends(self, axis: str) -> tuple[float, float]:
        """Least and greatest share of an axis' range, as quantiles, over the region."""
        spans = [_quantiles(self.axes[axis], cell.values[axis]) for cell in self.cells]
        return min(low for low, _ in spans), max(high for _, high in spans)

    def extreme(self) -> dict[str, Scalar]:
        """The point of the region that is nearest to an end of the axes' ranges, the upper ends first."""
        best: tuple[float, dict[str, Scalar]] | None = None
        for cell in self.cells:
            far, point = 0.0, {}
            for axis, value in cell.values.items():
                low, high = _quantiles(self.axes[axis], value)
                end = high if high >= 1 - low else low
                far += abs(end - 0.49)
                point[axis] = at_quantile(self.axes[axis], end) if isinstance(value, Span) else value
            if best is None or far > best[0]:
                best = (far, point)
        return {} if best is None else best[1]


def _position(known: list[str], key: str) -> int:
    return known.index(key) if key in known else len(known)


def _quantiles(parameter: SampledParameter, value: Scalar | Span) -> tuple[float, float]:
    """The quantiles that a value, or a range of quantiles, spans."""
    if isinstance(value, Span):
        return value.low, value.high
    values = finite_values(parameter)
    if values is None or len(values) < 2:
        return 0.0, 1.0
    place = [repr(each) for each in values].index(repr(value)) / (len(values) - 1)
    return place, place


def at_quantile(parameter: SampledParameter, share: float) -> Scalar:
    """The value at a quantile in [0, 1]; the ends are those of the range."""
    if isinstance(parameter, FloatParameter) and share in (0, 1):
        return parameter.high if share else parameter.low
    return quantile(parameter, min(share, math.nextafter(1, 0)))


def finite_values(parameter: SampledParameter) -> list[Scalar] | None:
    """All values, where they are few enough to look at one by one."""
    if isinstance(parameter, CategoricalParameter):
        return list(parameter.choices)
    if isinstance(parameter, IntParameter):
        values = range(parameter.low, parameter.high + 1, parameter.step)
        return list(values) if len(values) <= COUNTED else None
    return [parameter.low] if parameter.low == parameter.high else None
