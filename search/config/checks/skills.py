"""Names of held-out skills, which are part of their metrics' names."""

from __future__ import annotations

from contextlib import suppress

from pydantic import ValidationError

from search.config.checks import parts
from search.config.composed import Composed
from trainables.evaluation.beliefs.targets import asked_targets
from trainables.evaluation.metrics import Asked, AskedSkill, metric_names
from trainables.messages import DEGENERATE, TRAIN_LOSS
from trainables.settings import CapabilityConfig, SkillConfig


def check_skills(composed: Composed) -> None:
    """Refuses skills of the same name, and names whose metrics would look like others."""
    names: set[str] = set()
    for index, skill in parts.skills(composed).items():
        key = ("capability", "skills", index, "name")
        if skill.name in names:
            composed.complain(key, f"two skills are named {skill.name!r}", "rename one of them")
        elif skill.name == DEGENERATE:
            message = f"{DEGENERATE!r} is the name of a metric over all skills"
            composed.complain(key, message, "give the skill another name")
        elif (metric := _begun_like(skill.name, composed)) is not None:
            message = f"the metric {metric!r} would look like a metric of the skill {skill.name!r}"
            composed.complain(key, message, "give the skill another name")
        names.add(skill.name)


def _begun_like(name: str, composed: Composed) -> str | None:
    """A metric of all skills whose name begins like those of this skill's metrics."""
    others = AskedSkill(SkillConfig(name=f"not_{name}"[:100], path="any.jsonl"), choice=True)
    settings = _settings(composed)
    ratios = [metric.relative or "" for metric in parts.metrics(composed).metrics]
    known = [TRAIN_LOSS, *ratios, *metric_names(Asked(settings, [others], asked_targets(settings)))]
    return next((metric for metric in known if metric.startswith(f"{name}_")), None)


def _settings(composed: Composed) -> CapabilityConfig:
    """The settings of all skills, as far as they are valid."""
    fields = parts.section(composed, "capability", CapabilityConfig)
    known = CapabilityConfig.model_fields.keys() - {"skills", "metrics"}
    fields = {key: value for key, value in fields.items() if key in known}
    fields = {key: value for key, value in fields.items() if not composed.is_broken(("capability", key))}
    with suppress(ValidationError):
        fields["facts"] = CapabilityConfig.model_validate({"facts": fields.pop("facts", None)}).facts
    return CapabilityConfig.model_construct(skills=(), **fields)
