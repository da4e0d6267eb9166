"""Metrics that objectives may name."""

from __future__ import annotations

import math
from collections.abc import Sequence

from search.config.checks import parts
from search.config.compose import Composed
from search.config.nearest import did_you_mean
from trainables.data.peek import first_record
from trainables.evaluation.metrics import Asked, AskedSkill, metric_names
from trainables.messages import DEGENERATE
from trainables.settings import CapabilityConfig, SkillConfig

RANGES = {"train_loss": (0.0, math.inf), "retention": (0.0, 1.0)}
"""Measured in every search, beside what an evaluation gives: the least and the greatest value.

Retention may come out above 1; to ask for that is to ask for another base model.
"""


def measured(composed: Composed, skills: Sequence[SkillConfig]) -> list[str]:
    """Names of the metrics that there are with these skills."""
    return [*RANGES, *metric_names(asked_of(composed, skills))]


def asked_of(composed: Composed, skills: Sequence[SkillConfig]) -> Asked:
    """What an evaluation of these skills is to measure."""
    known = [AskedSkill(skill, "options" in (first_record(skill.path) or {})) for skill in skills]
    return Asked(_settings(composed), known)


def _settings(composed: Composed) -> CapabilityConfig:
    """The settings of all skills, as far as they are valid."""
    given = composed.data.get("capability")
    fields = dict(given) if isinstance(given, dict) else {}
    known = CapabilityConfig.model_fields.keys() - {"skills"}
    fields = {key: value for key, value in fields.items() if key in known}
    fields = {key: value for key, value in fields.items() if not composed.is_broken(("capability", key))}
    return CapabilityConfig.model_construct(skills=(), **fields)


def check_objectives(composed: Composed) -> None:
    """Every objective names a metric that is measured, and no two the same."""
    skills = list(parts.skills(composed).values())
    known = measured(composed, [skill for skill in skills if skill.at == "every"])
    late = set(measured(composed, skills)) - set(known)
    # With a skill that could not be read, its metrics cannot be told from slips.
    complete = not (composed.incomplete or composed.is_broken(("capability",))) and len(
        parts.skills(composed)
    ) == len(_all_skills(composed))
    seen: set[str] = set()
    for index, objective in parts.objectives(composed).items():
        key = ("objectives", index, "metric")
        if objective.metric in seen:
            composed.complain(key, f"{objective.metric} is an objective twice", "keep one of them")
        elif objective.metric in late:
            message = f"{objective.metric!r} is not measured at every rung, as its skill says `at`"
            composed.complain(key, message, "give the skill `at: every`, or name another metric")
        elif objective.metric not in known and complete:
            hint = did_you_mean(objective.metric, known)
            composed.complain(key, f"{objective.metric!r} is not measured in this search", hint)
        seen.add(objective.metric)
    names: set[str] = set()
    for index, skill in parts.skills(composed).items():
        if skill.name in names:
            composed.complain(
                ("capability", "skills", index, "name"),
                f"two skills are named {skill.name!r}",
                "rename one of them",
            )
        elif skill.name == DEGENERATE:
            composed.complain(
                ("capability", "skills", index, "name"),
                f"{DEGENERATE!r} is the name of a metric of all skills",
                "give the skill another name",
            )
        elif (metric := _begun_like(skill.name, composed)) is not None:
            composed.complain(
                ("capability", "skills", index, "name"),
                f"the metric {metric!r} would look like one of the skill {skill.name!r}",
                "give the skill another name",
            )
        names.add(skill.name)


def _begun_like(name: str, composed: Composed) -> str | None:
    """A metric of all skills that begins as this one's own do."""
    some = AskedSkill(SkillConfig(name=f"not_{name}"[:100], path="any.jsonl"), choice=True)
    known = [*RANGES, *metric_names(Asked(_settings(composed), [some]))]
    return next((metric for metric in known if metric.startswith(f"{name}_")), None)


def _all_skills(composed: Composed) -> list[object]:
    capability = composed.data.get("capability")
    found = capability.get("skills") if isinstance(capability, dict) else None
    return found if isinstance(found, list) else []
