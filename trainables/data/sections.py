"""What the sections `model`, `task` and `capability` mean to a search, for the trainables that have them.

Light: no torch. Digests are quick: they tell that something else lies there; the workers' own fingerprints,
of the tokens and the weights, have the last word.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence

from trainables import embedded
from trainables.contents import path_digest
from trainables.data.sources import EMBEDDED, records_folder, user_path
from trainables.models.fingerprint import folder_fingerprint
from trainables.models.preparers import cache_dir
from trainables.own.code import function_digest, named_in
from trainables.own.records import made_records, makes_records, recipe_digest
from trainables.settings import HARNESS, CapabilityConfig, ModelConfig, OwnMetric, SkillConfig, TaskConfig
from trainables.trainable import Effect, Place

_DIGEST = "sha256:"
_NAME = "name:"

_EFFECTS: Mapping[Effect, str] = {
    "search": """
model.trust_remote_code model.dtype model.quantization model.double_quant
task.heldout_fraction task.heldout_examples task.format task.text_field task.prompt_field
task.completion_field task.prompt task.completion task.loss task.thinking task.max_length
""",
    "content": "model.source model.prepare model.revision task.train task.heldout task.split task.subset",
    "none": "model.name model.attention task.name",
}

EFFECTS: Mapping[str, Effect] = {key: effect for effect, keys in _EFFECTS.items() for key in keys.split()}
"""What a change of each setting of `model` and `task` means to a search that has begun."""


_CAPABILITY: Mapping[Effect, str] = {
    "search": """
capability.skills.*.name capability.skills.*.scoring capability.skills.*.limit capability.skills.*.match
capability.skills.*.at capability.skills.*.metric capability.skills.*.chat
capability.max_new_tokens capability.general_examples capability.kl_prompts capability.leak_words
capability.think_section capability.metrics.*.name capability.metrics.*.direction
capability.facts.targets capability.facts.decoding.method capability.facts.decoding.temperature
capability.facts.decoding.top_p capability.facts.decoding.samples capability.facts.max_new_tokens
capability.facts.in_context
""",
    "content": """
capability.skills.*.path capability.general_text capability.facts.path capability.metrics.*.source
""",
    "none": "capability.batch_size",
}

CAPABILITY_EFFECTS: Mapping[str, Effect] = {
    key: effect for effect, keys in _CAPABILITY.items() for key in keys.split()
}
"""The same for each setting of `capability`."""


def contents_of(model: ModelConfig, task: TaskConfig) -> dict[str, str]:
    """Digests of the model and the data by key; what cannot be read is left out."""
    part = hub_part(task)
    digests = {"model.source": model_content(model), "task.train": data_content(task.train, part)}
    if task.heldout is not None:
        digests["task.heldout"] = data_content(task.heldout, part)
    return {key: digest for key, digest in digests.items() if digest is not None}


def capability_contents(capability: CapabilityConfig, part: str) -> dict[str, str]:
    """Digests of questions, general text and beliefs by key; what cannot be read is left out.

    Args:
        capability: The section.
        part: Of a hub data set, the part that is read.
    """
    digests = {
        f"capability.skills.{index}.path": data_content(skill.path, part)
        for index, skill in enumerate(capability.skills)
    }
    for index, metric in enumerate(capability.metrics):
        digests[f"capability.metrics.{index}.source"] = metric_content(metric.source)
    if capability.general_text is not None:
        digests["capability.general_text"] = data_content(capability.general_text, part)
    if capability.facts is not None:
        digests["capability.facts.path"] = data_content(capability.facts.path, part)
    return {key: digest for key, digest in digests.items() if digest is not None}


def model_content(model: ModelConfig) -> str | None:
    """`sha256:` and a digest of the model's folder, or `name:` and a name of the hub.

    None where it cannot be read.
    """
    if model.prepare is not None:
        return f"{_NAME}{model.prepare}, prepared"
    folder = embedded.embedded_folder(model.source) or user_path(model.source)
    if not os.path.isdir(folder):
        return f"{_NAME}{model.source}"  # its revision: a branch and its commit are the same
    try:
        return f"{_DIGEST}{folder_fingerprint(folder)}"
    except OSError:
        return None


def metric_content(source: str) -> str | None:
    """`sha256:` and a digest of the file with a metric's function, or `name:` and that of an installed one.

    None where the file cannot be read.
    """
    if (named := named_in(source)) is None:
        return f"{_NAME}{source}"
    try:
        return _DIGEST + function_digest(named)
    except OSError:
        return None


def hub_part(task: TaskConfig) -> str:
    """The part of a hub data set that a task reads."""
    return task.split + (f" of {task.subset}" if task.subset else "")


def data_content(source: str | Sequence[str], part: str) -> str | None:
    """Digest of a file, a folder with its files, several of these, or a name.

    Of what is larger than 64 MiB only sizes and edges are read.

    Args:
        source: As in the configuration.
        part: Of a hub data set, the part that is read.
    """
    if not isinstance(source, str):
        parts = [data_content(each, part) for each in source]
        return None if None in parts else _DIGEST + _sha256("\n".join(map(str, parts)).encode())
    if makes_records(source):
        try:
            return f"{_DIGEST}{recipe_digest(source)}"
        except OSError:
            return None
    path = source.removeprefix(HARNESS)
    place = user_path(path)
    if path.startswith(EMBEDDED):
        place = embedded.data_dir() / path.removeprefix(EMBEDDED)
    try:
        if (digest := path_digest(place)) is not None:
            return f"{_DIGEST}{digest}"
    except OSError:
        return None
    return f"{_NAME}{source}" + ("" if source.startswith(HARNESS) or "#" in source else f"#{part}")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def placed_model(model: ModelConfig, place: Place) -> ModelConfig:
    """The model with `place` applied to its folder, also to that of one that has been prepared here."""
    if model.prepare is None:
        return model.model_copy(update={"source": place(model.source)})
    prepared = str(cache_dir() / "models" / model.prepare)
    folder = place(prepared)
    return model if folder == prepared else model.model_copy(update={"source": folder, "prepare": None})


def placed_task(task: TaskConfig, place: Place) -> TaskConfig:
    """The task with `place` applied to its files."""
    heldout = None if task.heldout is None else _sources(task.heldout, place)
    return task.model_copy(update={"train": _sources(task.train, place), "heldout": heldout})


def placed_capability(capability: CapabilityConfig, place: Place) -> CapabilityConfig:
    """The capability with `place` applied to its questions, texts and beliefs."""
    skills = tuple(skill.model_copy(update={"path": _skill(skill, place)}) for skill in capability.skills)
    general = capability.general_text
    if general is not None:
        general = place(_made(general, "capability.general_text"))
    facts = capability.facts
    if facts is not None:
        facts = facts.model_copy(update={"path": place(facts.path)})
    metrics = tuple(_metric(metric, place) for metric in capability.metrics)
    placed = {"skills": skills, "general_text": general, "facts": facts, "metrics": metrics}
    return capability.model_copy(update=placed)


def _sources(given: str | tuple[str, ...], place: Place) -> str | tuple[str, ...]:
    if not isinstance(given, str):
        return tuple(place(_made(each, "task.train")) for each in given)
    return place(_made(given, "task.train"))


def _made(source: str, key: str) -> str:
    """The file with the records of a source that makes them: workers read it, and run nothing."""
    return str(made_records(source, key, records_folder())) if makes_records(source) else source


def _metric(metric: OwnMetric, place: Place) -> OwnMetric:
    """The metric where its file lies, with its digest: a worker that starts later runs no other one."""
    if (named := named_in(metric.source)) is None:
        return metric
    try:
        digest = function_digest(named)
    except OSError:
        return metric  # the worker says so
    return metric.placed(str(named._replace(file=place(named.file))), digest)


def _skill(skill: SkillConfig, place: Place) -> str:
    return place(skill.path) if skill.harness is None else f"{HARNESS}{place(skill.harness)}"
