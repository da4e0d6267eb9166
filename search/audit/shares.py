"""Which part of a space a condition holds in: exactly where that can be, else by a fixed sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, TypeAlias

from search.audit.subject import Dependence, Point, Subject
from search.config.space import CategoricalParameter, FloatParameter, IntParameter
from search.record.events import Scalar
from search.searchers.draw import quantile
from search.space import SampledParameter
from search.spans import MixedError, Span

Method: TypeAlias = Literal["exact", "counted", "sampled"]
Test: TypeAlias = Callable[[Point], bool]

SAMPLED = 512
"""Points of a sample."""

_COUNTED = 2048
"""Combinations of choices that are looked at one by one, at most."""
_WITH_RANGE = 256
"""The same where each has a range to divide."""
_FINEST = 2.0**-26
"""Share of a range below which it is not divided any more."""
_LOOKS = 4000
"""Parts of a range that are looked at, at most: more are needed where a condition never gets clear."""


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
        return 1.0 if total > 1 - 1e-6 else total

    def values(self, axis: str) -> list[Scalar]:
        """Distinct values of an axis of choices in the region, in declared order."""
        inside = {repr(cell.values[axis]): cell.values[axis] for cell in self.cells}
        known = [repr(value) for value in _finite(self.axes[axis]) or []]
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
    values = _finite(parameter)
    if values is None or len(values) < 2:
        return 0.0, 1.0
    place = [repr(each) for each in values].index(repr(value)) / (len(values) - 1)
    return place, place


def at_quantile(parameter: SampledParameter, share: float) -> Scalar:
    """The value at a quantile in [0, 1]; the ends are those of the range."""
    if isinstance(parameter, FloatParameter) and share in (0, 1):
        return parameter.high if share else parameter.low
    return quantile(parameter, min(share, math.nextafter(1, 0)))


def _finite(parameter: SampledParameter) -> list[Scalar] | None:
    """All values, where they are few enough to look at one by one."""
    if isinstance(parameter, CategoricalParameter):
        return list(parameter.choices)
    if isinstance(parameter, IntParameter):
        values = range(parameter.low, parameter.high + 1, parameter.step)
        return list(values) if len(values) <= _COUNTED else None
    return [parameter.low] if parameter.low == parameter.high else None


def region(test: Test, depends: Dependence, subject: Subject) -> Region:
    """Where a condition holds.

    Args:
        test: The condition; raises MixedError where it does not hold or fail in all of a part.
        depends: What it depends on.
        subject: What is audited.

    Raises:
        ExpressionError: It cannot be decided somewhere.
    """
    axes = {name: axis for name, axis in subject.axes.items() if name in depends.axes}
    finite = {name: values for name, axis in axes.items() if (values := _finite(axis)) is not None}
    ranges = [name for name in axes if name not in finite]
    combinations = math.prod(map(len, finite.values()))
    others = {name: quantile(axis, 0.5) for name, axis in subject.axes.items() if name not in axes}

    def look(values: Mapping[str, Any]) -> bool:
        return test(subject.at({**others, **values}))

    points = (dict(zip(finite, values, strict=True)) for values in product(*finite.values()))
    if not ranges and combinations <= _COUNTED:
        cells = (Cell(point, 1 / combinations) for point in points if look(point))
        return Region(axes, tuple(cells), "counted")
    single = ranges[0] if len(ranges) == 1 else None
    if single is not None and single not in depends.opaque and combinations <= _WITH_RANGE:
        axis = axes[single]
        if isinstance(axis, FloatParameter):
            try:
                return Region(axes, tuple(_divided(single, axis, list(points), look)), "exact")
            except MixedError:
                pass  # never clear: a sample has to do
    return Region(axes, tuple(_sampled(axes, look)), "sampled")


def _divided(
    name: str,
    axis: FloatParameter,
    points: list[dict[str, Scalar]],
    look: Callable[[Mapping[str, Any]], bool],
) -> Iterator[Cell]:
    """Divides the range of one axis, for each combination of the others, until the condition is clear.

    Raises:
        MixedError: It stays unclear in too many places.
    """
    looks = 0
    for point in points:
        parts, inside = [(0.0, 1.0)], list[tuple[float, float]]()
        while parts:
            low, high = parts.pop()
            looks += 1
            if looks > _LOOKS:
                raise MixedError
            ends = at_quantile(axis, low), at_quantile(axis, high)
            try:
                if not look({**point, name: Span(*ends)}):  # type: ignore[arg-type]
                    continue
            except MixedError:
                if high - low > _FINEST:
                    middle = (low + high) / 2
                    parts += [(middle, high), (low, middle)]
                continue
            if inside and low - inside[-1][1] <= 2 * _FINEST:
                inside[-1] = (inside[-1][0], high)
            else:
                inside.append((low, high))
        for low, high in inside:
            yield Cell({**point, name: Span(low, high)}, (high - low) / len(points))


def _sampled(
    axes: Mapping[str, SampledParameter], look: Callable[[Mapping[str, Any]], bool]
) -> Iterator[Cell]:
    """Looks at the points of an additive recurrence, which fill the space evenly.

    After Roberts (2018, "The unreasonable effectiveness of quasirandom sequences").
    """
    root = 2.0
    for _ in range(40):  # of x ** (d + 1) = x + 1
        root = (1 + root) ** (1 / (len(axes) + 1))
    steps = [root ** -(place + 1) for place in range(len(axes))]
    for number in range(SAMPLED):
        shares = [(0.5 + step * number) % 1 for step in steps]
        point = {
            name: quantile(axis, share) for (name, axis), share in zip(axes.items(), shares, strict=True)
        }
        if look(point):
            cell = {
                name: Span(share, share) if _finite(axes[name]) is None else point[name]
                for name, share in zip(axes, shares, strict=True)
            }
            yield Cell(cell, 1 / SAMPLED)
