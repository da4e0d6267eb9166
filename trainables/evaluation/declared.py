"""What an evaluation of a capability declares to measure. Light: no torch."""

from __future__ import annotations

from dataclasses import replace

from trainables.data.lines import first_record
from trainables.evaluation.beliefs.targets import asked_targets
from trainables.evaluation.metrics import METRICS, Asked, AskedSkill
from trainables.evaluation.metrics.beliefs import BELIEF_SHARES, asked_prompts
from trainables.evaluation.metrics.own import OWN
from trainables.evaluation.questions.items import offers_options
from trainables.settings import At, CapabilityConfig
from trainables.trainable import MetricSpec

_AT: tuple[At, ...] = ("every", "last", "front")

_ON_TEXTS = ("heldout_", "general_")
"""What names of metrics begin with that are of texts and not of questions."""

_LOSS_RISE = 0.05
"""In nats per token: a perplexity that is 5% higher."""
_ONLY_TEXT = (
    "Without questions (capability=FILE.jsonl, or lm_eval:TASK), general_loss_change shows whether the model "
    "still predicts general text as well, not whether it still answers, reasons or follows instructions."
)


def declared_metrics(capability: CapabilityConfig) -> list[MetricSpec]:
    """What an evaluation measures with these skills, in the order of registration.

    Reads the first line of each file with questions, which says whether they have options.
    """
    skills = [
        AskedSkill(skill, offers_options(first_record(skill.path) or {})) for skill in capability.skills
    ]
    beliefs = asked_targets(capability)
    declared: dict[str, MetricSpec] = {}
    for at in _AT:
        due = [skill for skill in skills if _AT.index(skill.config.at) <= _AT.index(at)]
        asked = Asked(capability, due, beliefs)
        for metric in METRICS:
            for name in METRICS[metric].names(asked):
                declared.setdefault(name, _spec(capability, metric, name, at))
    return list(declared.values())


def _spec(capability: CapabilityConfig, metric: str, name: str, at: At) -> MetricSpec:
    """One metric, under the name that an evaluation gives it."""
    entry = METRICS[metric]
    counting = tuple(skill.name for skill in capability.skills if skill.at == "every")
    counted = {f"{skill.name}_{skill.scoring[0]}": (skill.name,) for skill in capability.skills}
    meaning, direction = METRICS.lines()[metric], entry.direction
    sample = "texts" if name.startswith(_ON_TEXTS) else "questions"
    spec = MetricSpec(name, meaning, direction, entry.low, entry.high, at=at, sample=sample)
    spec = replace(spec, items=counted.get(name, ()))
    if name != metric:
        spec = replace(spec, family=metric)
    if name == "general_loss_change" and not counting and capability.facts is None:
        spec = replace(spec, ceiling=_LOSS_RISE, caveat=_ONLY_TEXT)
    if name == "capability":
        spec = replace(spec, relative="retention", items=counting)
    if metric == OWN:
        given = next(each for each in capability.metrics if each.name == name)
        meaning = f"Mean of {given.source} over the questions that are asked at every rung."
        spec = replace(spec, meaning=meaning, direction=given.direction, family=None)
    if (share := metric.removesuffix("_<group>")) in BELIEF_SHARES:
        single = capability.facts is None or capability.facts.decoding.samples == 1
        prompts = asked_prompts(share) + name.removeprefix(share)
        spec = replace(spec, sample="prompts", over=(prompts,), items=(name,) if single else ())
    return spec
