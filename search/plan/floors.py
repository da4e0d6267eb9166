"""How many questions a floor under a ratio to the base model needs to be decidable."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from search.config.schema import SearchConfig
from search.plan.hypotheses import size_of

_Z = 1.96
_HALF = 0.5


@dataclass(frozen=True)
class PlannedFloor:
    """A floor before anything is measured.

    At the floor, a share (1 - floor) x base of the n answers has gone from right to wrong. Their number has
    Poisson noise, and is outside of it from 1.96^2 answers on.

    Attributes:
        metric: The ratio to the base model.
        floor: Its floor.
        questions: How many there are; None where that is not known.
        sample: What is counted, in the plural.
        needed: How many are needed if the base model answers all of them correctly.
        needed_at_half: The same if it answers half of them.
    """

    metric: str
    floor: float
    questions: int | None
    sample: str
    needed: int
    needed_at_half: int


def planned_floors(config: SearchConfig, items: Mapping[str, int]) -> tuple[PlannedFloor, ...]:
    """The floors of a search under ratios of shares.

    Args:
        config: The search.
        items: How many there are, as in `TrainablePlan.items`.
    """
    ratios = {metric.relative: metric for metric in config.metrics if metric.relative is not None}
    floors = []
    for objective in config.objectives:
        metric, floor = ratios.get(objective.metric), objective.floor
        if metric is None or floor is None or not 0 < floor < 1 or (metric.low, metric.high) != (0.0, 1.0):
            continue
        needed = [math.ceil(_Z**2 / ((1 - floor) * base)) for base in (1, _HALF)]
        count = size_of(metric, items) or None
        floors.append(PlannedFloor(objective.metric, floor, count, metric.sample, *needed))
    return tuple(floors)


def floor_lines(planned: PlannedFloor) -> Iterator[str]:
    """What a plan says of a floor."""
    there = "" if planned.questions is None else f"; there are {planned.questions:,}"
    yield (
        f"{planned.metric} >= {planned.floor:g}: {planned.needed:,} {planned.sample} are needed to decide it "
        f"if the base model answers all of them, {planned.needed_at_half:,} if it answers half{there}"
    )
    if planned.questions is not None and planned.questions < planned.needed:
        yield "  too few: a trial at this floor cannot be distinguished from the base model"
