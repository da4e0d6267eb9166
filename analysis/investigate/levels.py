"""The parameter's levels: its values on a grid, else ranges of it, and what was measured on each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analysis import wording
from analysis.grades import grade
from analysis.investigate.change import pairable
from analysis.investigate.results import Level, Table
from analysis.investigate.study import Case, Measured, Study
from search.record.events import Interval

MOST_VALUES = 6
"""More values than these are put into ranges."""
RANGES = 4
_DRAWS = 999


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
    found = [
        Bin(
            f"{shown[i]} to {shown[i + 1]}",
            tuple(c for c, p in zip(study.cases, place, strict=True) if p == i),
        )
        for i in range(RANGES)
    ]
    return [one for one in found if one.cases]


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
    found = {case.group for case in study.cases}
    return sorted(found, key=lambda g: (isinstance(g, str), g if isinstance(g, int | float) else 0, str(g)))


def graded(study: Study, levels: Sequence[Bin], seed: int = 0) -> tuple[Level, ...]:
    """The levels with their retention and its grade."""
    return tuple(_graded(study.base, level, seed) for level in levels)


def _graded(base: Measured | None, level: Bin, seed: int) -> Level:
    loss, capability = level.mean("loss"), level.mean("capability")
    plain = Level(level.label, len(level.cases), loss, capability)
    if base is None or not base.capability > 0 or math.isnan(capability):
        return plain
    retention = capability / base.capability
    interval = _retention_interval(base, level.cases, seed)
    low, high = (None, None) if interval is None else (interval.low, interval.high)
    return Level(
        level.label, len(level.cases), loss, capability, retention, low, high, grade(retention, interval)
    )


def _retention_interval(base: Measured, cases: Sequence[Case], seed: int) -> Interval | None:
    """Bootstrap over cases and, where they are known, over items (Owen, 2007, doi:10.1214/07-AOAS122).

    Cases and items are weighted independently, and a draw's value is the weighted mean over the cells: the
    "pigeonhole" bootstrap, whose variance is conservative, with the weights of the Bayesian one (Rubin, 1981,
    doi:10.1214/aos/1176345338).
    """
    random = np.random.Generator(np.random.PCG64(seed))
    usable = [case for case in cases if pairable(base.bits, case.last.bits)]
    if usable and len(usable) == len(cases):
        drawn = _draw_items(base, usable, random)
        n = sum(map(len, base.bits.values()))
    elif len(cases) >= 3:
        values = np.array([case.last.capability for case in cases])
        drawn = random.choice(values, (_DRAWS, len(values))).mean(axis=1) / base.capability
        n = len(cases)
    else:
        return None
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Interval(low=float(low), high=float(high), n=n)


def _draw_items(base: Measured, cases: Sequence[Case], random: np.random.Generator) -> NDArray[np.float64]:
    chosen = _weights(random, len(cases))
    tuned, own = np.zeros(_DRAWS), np.zeros(_DRAWS)
    for skill, text in base.bits.items():
        weights = _weights(random, len(text))
        rights = np.stack([as_array(case.last.bits[skill]) for case in cases])
        tuned += np.einsum("dc,cd->d", chosen, rights @ weights.T)
        own += weights @ as_array(text)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(own > 0, tuned / own, np.nan))


def _weights(random: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Weights of n units that sum to 1, shape (draws, n)."""
    drawn = random.standard_exponential((_DRAWS, n))
    return np.asarray(drawn / drawn.sum(axis=1, keepdims=True))


def as_array(bits: str) -> NDArray[np.float64]:
    """1.0 or 0.0 per character of "1" and "0"."""
    return np.array(np.frombuffer(bits.encode(), dtype=np.uint8) == ord("1"), dtype=np.float64)
