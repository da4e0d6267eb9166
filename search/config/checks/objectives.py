"""Objectives: metrics that are measured, with bounds that they can reach."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from search.config.checks import parts
from search.config.compose import Composed
from search.config.schema import ObjectiveConfig
from search.config.space import IntParameter
from trainables.data.lines import first_record
from trainables.evaluation.metrics import METRICS, Asked, AskedSkill, metric_names
from trainables.messages import DEGENERATE
from trainables.nearest import did_you_mean
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


def check_bounds(composed: Composed) -> None:
    """Floors and ceilings that the metric cannot reach, and steps wider than their range."""
    ranges = _ranges(composed)
    for index, objective in parts.objectives(composed).items():
        if objective.metric in ranges:
            _check_reach(composed, index, objective, *ranges[objective.metric])
    for name, parameter in parts.parameters(composed).items():
        if isinstance(parameter, IntParameter) and parameter.step > parameter.high - parameter.low > 0:
            composed.complain(
                ("parameters", name, "step"),
                f"is {parameter.step}, which from {parameter.low} leads past {parameter.high} at once",
                "give a smaller step, or fix the parameter",
            )


def _ranges(composed: Composed) -> Mapping[str, tuple[float, float]]:
    """The least and the greatest value of every metric that there is."""
    asked = asked_of(composed, list(parts.skills(composed).values()))
    found = dict(RANGES)
    for metric in METRICS:
        found |= dict.fromkeys(METRICS[metric].names(asked), (METRICS[metric].low, METRICS[metric].high))
    return found


def _check_reach(composed: Composed, index: int, objective: ObjectiveConfig, low: float, high: float) -> None:
    """A bound outside the metric's range is kept by every trial or by none."""
    for name, bound in (("floor", objective.floor), ("ceiling", objective.ceiling)):
        if bound is None or low <= bound <= high:
            continue
        metric = objective.metric
        reach = f"from {low:g} to {high:g}" if math.isfinite(high) else f"at least {low:g}"
        message = f"is {bound:g}, and {metric} is {reach}"
        if metric == "retention" and bound > high:
            message = f"is {bound:g}, and 1 is all that the base model could do"
        percent = high == 1 and 2 < bound <= 100
        hint = f"{bound:g}% is {bound / 100:g}" if percent else f"give a {name} {reach}"
        composed.complain(("objectives", index, name), message, hint)
