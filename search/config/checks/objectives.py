"""Metrics that objectives may name."""

from __future__ import annotations

from search.config.checks import parts
from search.config.compose import Composed
from search.config.nearest import did_you_mean
from search.config.peek import first_record
from trainables.messages import DEGENERATE
from trainables.settings import SkillConfig

METRICS = ("train_loss", "heldout_loss", "capability", "retention")
"""Measured in every search."""


def skill_metrics(skill: SkillConfig) -> list[str]:
    """What is measured of one skill: a score per way of scoring, and how many answers could not be read."""
    names = [f"{skill.name}_{scoring}" for scoring in skill.scoring]
    if "generation" in skill.scoring and "options" in (first_record(skill.path) or {}):
        names.append(f"{skill.name}_unparseable")
    return names


def check_objectives(composed: Composed) -> None:
    """Every objective names a metric that is measured, and no two the same."""
    known, skills = [*METRICS], parts.skills(composed).values()
    for skill in skills:
        known += skill_metrics(skill)
    if any("generation" in skill.scoring for skill in skills):
        known.append(DEGENERATE)
    # With a skill that could not be read, its metrics cannot be told from slips.
    complete = not (composed.incomplete or composed.is_broken(("capability",))) and len(
        parts.skills(composed)
    ) == len(_all_skills(composed))
    seen: set[str] = set()
    for index, objective in parts.objectives(composed).items():
        key = ("objectives", index, "metric")
        if objective.metric in seen:
            composed.complain(key, f"{objective.metric} is an objective twice", "keep one of them")
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
        names.add(skill.name)


def _all_skills(composed: Composed) -> list[object]:
    capability = composed.data.get("capability")
    found = capability.get("skills") if isinstance(capability, dict) else None
    return found if isinstance(found, list) else []
