"""The parameter's levels: its values on a grid, else ranges of it, and what was measured on each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.investigate.results import Level, Table
from analysis.investigate.retention_interval import retention_interval
from analysis.investigate.study import Case, Measured, Study
from search import wording
from search.judging.grades import grade

MOST_VALUES = 6
"""More values than these are put into ranges."""
RANGES = 4


@dataclass(frozen=True)
class Bin:
    """A level and its cases, in the study's order."""

    label: str
    cases: tuple[Case, ...]

    def mean(self, what: Literal["loss", "capability"]) -> float:
        """Mean over the cases' latest evaluations; NaN where there is none."""
        values = [getattr(case.last, what) for case in self.cases]
        known = [value for value in values if math.isfinite(value)]
        return sum(known) / len(known) if known else math.nan


def bins(study: Study) -> list[Bin]:
    """The levels that have cases, by ascending value.

    Up to six values are levels themselves. More are put into four ranges of equal width, in the logarithm
    where they span a decade or more.
    """
    x = study.x
    values = sorted(set(x.tolist()))
    if len(values) <= MOST_VALUES:
        return [
            Bin(wording.scalar(value), tuple(case for case in study.cases if case.x == value))
            for value in values
        ]
    log = values[0] > 0 and values[-1] / values[0] >= 10
    scale = np.log10(x) if log else x
    edges = np.linspace(scale.min(), scale.max(), RANGES + 1)
    place = np.clip(np.searchsorted(edges, scale, side="right") - 1, 0, RANGES - 1)
    shown = [wording.scalar(float(10**edge if log else edge)) for edge in edges]
    levels = [
        Bin(
            f"{shown[i]} to {shown[i + 1]}",
            tuple(c for c, p in zip(study.cases, place, strict=True) if p == i),
        )
        for i in range(RANGES)
    ]
    return [level for level in levels if level.cases]


def table(study: Study, levels: Sequence[Bin], what: Literal["loss", "capability"]) -> Table:
    """Means by level and group; one column where there is no group."""
    groups = groups_of(study)
    cells = []
    for level in levels:
        parts = [Bin("", tuple(c for c in level.cases if c.group == group)).mean(what) for group in groups]
        cells.append(tuple(None if math.isnan(value) else value for value in parts))
    columns = tuple(f"{study.group} {wording.scalar(group)}" if study.group else "all" for group in groups)
    return Table(what, tuple(f"{study.parameter} {level.label}" for level in levels), columns, tuple(cells))


def groups_of(study: Study) -> list[float | str | None]:
    """Values of the grouping parameter, numbers in their order."""
    groups = {case.group for case in study.cases}
    return sorted(groups, key=lambda g: (isinstance(g, str), g if isinstance(g, int | float) else 0, str(g)))


def graded(study: Study, levels: Sequence[Bin]) -> tuple[Level, ...]:
    """The levels with their retention and its grade."""
    return tuple(_graded(study.base, level) for level in levels)


def _graded(base: Measured | None, level: Bin) -> Level:
    loss, capability = level.mean("loss"), level.mean("capability")
    plain = Level(level.label, len(level.cases), loss, capability)
    if base is None or not base.capability > 0 or math.isnan(capability):
        return plain
    retention = capability / base.capability
    interval = retention_interval(base, [case.last for case in level.cases])
    low, high = (None, None) if interval is None else (interval.low, interval.high)
    return Level(
        level.label, len(level.cases), loss, capability, retention, low, high, grade(retention, interval)
    )
