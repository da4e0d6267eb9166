"""Which part of a space a condition holds in: exactly where that can be, else by a fixed sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import product
from typing import Any, TypeAlias

from search.audit.region import Cell, Region, at_quantile, finite_values
from search.audit.subject import Dependence, Point, Subject
from search.config.space import FloatParameter
from search.record.events import Scalar
from search.searchers.draw import quantile
from search.spans import MixedError, Span

Test: TypeAlias = Callable[[Point], bool]

SAMPLED = 512
"""Points of a sample."""

_TOGETHER = 512
"""Combinations of choices that are looked at one by one, at most."""
_WITH_RANGE = 40
"""The same where each has a range to divide."""
_FINEST = 2.0**-20
"""Share of a range below which it is not divided any more."""
_LOOKS = 2000
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
    if not ranges and combinations <= _TOGETHER:
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
    return Region(axes, tuple(_sampled(subject, axes, look)), "sampled")


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
    subject: Subject, axes: Iterable[str], look: Callable[[Mapping[str, Any]], bool]
) -> Iterator[Cell]:
    """Looks at the same points for every condition, so that what they have is computed once.

    They are those of Halton's sequence over all axes, which fill the space evenly (Halton, 1960,
    doi:10.1007/BF01386213).
    """
    every = _halton(len(subject.axes))
    places = {name: place for place, name in enumerate(subject.axes)}
    names = list(axes)
    for row in every:
        shares = {name: row[places[name]] for name in names}
        point = {name: quantile(subject.axes[name], share) for name, share in shares.items()}
        if look(point):
            cell = {
                name: Span(share, share) if finite_values(subject.axes[name]) is None else point[name]
                for name, share in shares.items()
            }
            yield Cell(cell, 1 / SAMPLED)


@cache
def _halton(dimensions: int) -> tuple[tuple[float, ...], ...]:
    """The first points of the sequence: digits of their numbers, mirrored at the point, in prime bases."""
    bases: list[int] = []
    candidate = 2
    while len(bases) < dimensions:
        if all(candidate % base for base in bases):
            bases.append(candidate)
        candidate += 1

    def mirrored(number: int, base: int) -> float:
        value, weight = 0.0, 1.0
        while number:
            number, digit = divmod(number, base)
            weight /= base
            value += digit * weight
        return value

    return tuple(tuple(mirrored(number, base) for base in bases) for number in range(1, SAMPLED + 1))
