"""Which part of a space a condition holds in: exactly where that can be, else by a fixed sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any, TypeAlias

from search.audit.region import COUNTED, Cell, Region, at_quantile, finite_values
from search.audit.subject import Dependence, Point, Subject
from search.config.space import FloatParameter
from search.record.events import Scalar
from search.searchers.draw import quantile
from search.space import SampledParameter
from search.spans import MixedError, Span

Test: TypeAlias = Callable[[Point], bool]

SAMPLED = 512
"""Points of a sample."""

_WITH_RANGE = 256
"""The same where each has a range to divide."""
_FINEST = 2.0**-26
"""Share of a range below which it is not divided any more."""
_LOOKS = 4000
"""Parts of a range that are looked at, at most: more are needed where a condition never gets clear."""


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
    finite = {name: values for name, axis in axes.items() if (values := finite_values(axis)) is not None}
    ranges = [name for name in axes if name not in finite]
    combinations = math.prod(map(len, finite.values()))
    others = {name: quantile(axis, 0.5) for name, axis in subject.axes.items() if name not in axes}

    def look(values: Mapping[str, Any]) -> bool:
        return test(subject.at({**others, **values}))

    points = (dict(zip(finite, values, strict=True)) for values in product(*finite.values()))
    if not ranges and combinations <= COUNTED:
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
                name: Span(share, share) if finite_values(axes[name]) is None else point[name]
                for name, share in zip(axes, shares, strict=True)
            }
            yield Cell(cell, 1 / SAMPLED)
