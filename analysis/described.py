"""What a record says of its trainable, as summary and report need it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search.record.events import RecordedTrainable
from trainables.trainable import Shown


def skills_of(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The skills of a recorded configuration; empty where the trainable puts no questions."""
    capability = config.get("capability")
    skills = capability.get("skills") if isinstance(capability, Mapping) else None
    return [skill for skill in skills or () if {"name", "scoring"} <= skill.keys()]


def section_name(config: Mapping[str, Any], section: str) -> str | None:
    """The name in a section of a recorded configuration, such as the model's; None where there is none."""
    values = config.get(section)
    name = values.get("name") if isinstance(values, Mapping) else None
    return None if name is None else str(name)


def worth_showing(trainable: RecordedTrainable) -> Shown:
    """The metrics to show beside the objectives; by default all, those relative to the base first."""
    if trainable.shown is not None:
        return trainable.shown
    metrics = sorted(trainable.metrics, key=lambda metric: metric.relative is None)
    names = tuple(metric.name for metric in metrics)
    return Shown(summary=names, report=names)
