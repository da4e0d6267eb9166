"""What a metric is, and the registry of all that are there. Light: no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from trainables.evaluation.beliefs.targets import AskedTarget
from trainables.evaluation.intervals import wilson
from trainables.evaluation.outcomes import Outcomes
from trainables.interval import Interval
from trainables.registry import Registry
from trainables.settings import CapabilityConfig, SkillConfig


class MetricEstimate(NamedTuple):
    """A measured value.

    Attributes:
        value: Of all items.
        interval: At 95%, where there is one.
        values: Of each item, where `value` is their mean and they are numbers, not outcomes; else empty.
    """

    value: float
    interval: Interval | None = None
    values: Sequence[float] = ()


@dataclass(frozen=True)
class AskedSkill:
    """A skill as configured, and whether its items have options."""

    config: SkillConfig
    choice: bool

    @property
    def generates(self) -> bool:
        """Whether it is scored by generation."""
        return "generation" in self.config.scoring


@dataclass(frozen=True)
class Asked:
    """What an evaluation is configured to measure."""

    capability: CapabilityConfig
    skills: Sequence[AskedSkill]
    beliefs: Sequence[AskedTarget] = ()

    @property
    def generates(self) -> bool:
        """Whether there are replies at every rung."""
        return any(skill.generates and skill.config.at == "every" for skill in self.skills)


@dataclass(frozen=True)
class Metric:
    """A metric, or one for each skill.

    Attributes:
        names: The names under which an evaluation of this configuration gives it.
        measure: Its estimates by name, from the outcomes of all items in their order.
        low: Its least value.
        high: Its greatest.
        direction: Which way is better; None where neither is.
        share: Whether it is a share of items, with Wilson's interval.
    """

    names: Callable[[Asked], Sequence[str]]
    measure: Callable[[Outcomes], Mapping[str, MetricEstimate]]
    low: float = 0.0
    high: float = math.inf
    direction: Literal["min", "max"] | None = None
    share: bool = False


METRICS: Registry[Metric] = Registry("metric")
"""By name, in which `<skill>` stands for any skill's. The line of each describes it: reports and
docs/search.md have no other description."""


def metric_names(asked: Asked) -> list[str]:
    """Names of all that an evaluation measures, in the order of registration."""
    return [name for metric in METRICS for name in METRICS[metric].names(asked)]


def share_of(successes: int, n: int) -> MetricEstimate:
    """A share of items, with Wilson's interval."""
    return MetricEstimate(successes / n, wilson(successes, n))
