"""Trials grouped by learning rate, or by any parameter."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from analysis.report.chart import Series
from analysis.report.look import nth
from analysis.report.statistics import Estimate
from search import wording
from search.record import TrialState

MOST = 8
"""With more values than that, neighbouring ones are put together."""


@dataclass(frozen=True)
class Group:
    """Trials with the same value of a parameter, or with neighbouring ones.

    Attributes:
        label: The value, or the ends of the range.
        centre: The value, or the middle of the range; the geometric one where values span decades.
        trials: By number.
    """

    label: str
    centre: float
    trials: tuple[TrialState, ...]


def is_number(value: Any) -> bool:
    """Whether it is a finite number; booleans are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def by(trials: Sequence[TrialState], name: str, most: int = MOST, every: Sequence[Any] = ()) -> list[Group]:
    """The trials by a sampled parameter, ascending; those without it are left out.

    Args:
        trials: In any order.
        name: The parameter.
        most: Numbers with more distinct values than this are put into at most so many ranges, and never
            more than `MOST`, of equal width in the logarithm where they are positive and span a decade.
        every: All values of the search, so that the groups are the same whatever trials are grouped; groups
            without trials are left out.
    """
    sampled = [(trial.proposed.sampled[name], trial) for trial in trials if name in trial.proposed.sampled]
    known = distinct([*every, *(value for value, _ in sampled)])
    if not sampled:
        return []
    if not all(is_number(value) for value in known):
        labels = sorted({wording.scalar(value) for value in known})
        parts = [[t for v, t in sampled if wording.scalar(v) == label] for label in labels]
        return [
            Group(label, index, tuple(part))
            for index, (label, part) in enumerate(zip(labels, parts, strict=True))
            if part
        ]
    if len(known) <= most:
        values = sorted(known)
        return [
            Group(label, float(value), tuple(t for v, t in sampled if v == value))
            for value, label in zip(values, _labels(values), strict=True)
            if any(v == value for v, _ in sampled)
        ]
    return _ranges(sampled, sorted(map(float, known)), min(most, MOST))


def distinct(values: Iterable[Any]) -> list[Any]:
    """Each value once, in the order in which they come; 1 and True are two."""
    return list({(isinstance(value, bool), value): value for value in values}.values())


def by_lr(trials: Sequence[TrialState], every: Sequence[TrialState]) -> list[Group]:
    """The trials by learning rate; the groups are those of `every` trial of the search."""
    values = [trial.proposed.sampled["lr"] for trial in every if "lr" in trial.proposed.sampled]
    return by(trials, "lr", every=values)


def _labels(values: Sequence[float]) -> list[str]:
    """Short ones that differ: a chart would put places of one name together."""
    labels = [wording.scalar(value) for value in values]
    if len(set(labels)) < len(set(values)):
        labels = [repr(value) for value in values]
    return labels


def _ranges(sampled: Sequence[tuple[Any, TrialState]], known: Sequence[float], most: int) -> list[Group]:
    low, high = known[0], known[-1]
    logarithmic = low > 0 and high / low >= 10
    count = most
    if logarithmic:
        ratio = (high / low) ** (1 / count)
        edges = [low * ratio**index for index in range(count + 1)]
    else:
        edges = [low + (high - low) * index / count for index in range(count + 1)]
    labels = _labels([*edges[:-1], high])
    edges[-1] = math.inf
    groups = []
    for index, (begin, end) in enumerate(pairwise(edges)):
        part = tuple(trial for value, trial in sampled if begin <= float(value) < end)
        # Rounding may put the least value below the first edge.
        if begin == edges[0]:
            part = tuple(trial for value, trial in sampled if float(value) < end)
        last = high if end == math.inf else end
        centre = math.sqrt(begin * last) if logarithmic else (begin + last) / 2
        if part:
            groups.append(Group(f"{labels[index]} to {labels[index + 1]}", centre, part))
    return groups


def line(
    name: str, groups: Sequence[Group], means: Sequence[Estimate], texts: Sequence[str], index: int
) -> Series:
    """One line with intervals: a point for each group with its mean in words, in the look of its index."""
    return Series(
        name,
        [group.centre for group in groups],
        [mean.value for mean in means],
        nth(index),
        "both",
        low=[mean.low for mean in means],
        high=[mean.high for mean in means],
        text=[f"{name}, lr {group.label}: {text}" for group, text in zip(groups, texts, strict=True)],
    )
