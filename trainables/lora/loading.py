"""What one worker reads before it serves: the model and the task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from trainables.data.general import GeneralText, load_general
from trainables.data.task import TaskData, load_task
from trainables.evaluation.contamination import refuse_training_items
from trainables.evaluation.harness.skills import HarnessSkill, load_harness
from trainables.evaluation.items import Item, load_items
from trainables.messages import GroupSettings
from trainables.models.load import load_base
from trainables.models.resolve import ResolvedModel, resolve


@dataclass(frozen=True)
class Loaded:
    """What one worker has read, before anything that all workers do together."""

    resolved: ResolvedModel
    model: Any
    tokenizer: Any
    data: TaskData
    device: torch.device
    general: GeneralText | None = None
    harness: Sequence[HarnessSkill] = ()


def load(settings: GroupSettings, device: torch.device) -> Loaded:
    """Reads the model and the task; no collective call.

    Raises:
        UserError: The model or the task cannot be loaded as configured, or questions are trained on.
    """
    resolved = resolve(settings.model)
    model, tokenizer = load_base(resolved, settings.model, device)
    capability, task, seed = settings.capability, settings.task, settings.seed
    context = getattr(model.config, "max_position_embeddings", None)
    harness = load_harness(capability.skills, tokenizer, seed, context)
    asked: dict[str, Sequence[Item]] = {skill.name: skill.items for skill in harness}
    skills = [(skill, asked.get(skill.name) or load_items(skill, seed)) for skill in capability.skills]
    data = load_task(task, tokenizer, seed, look=partial(refuse_training_items, skills, task))
    general = None
    if capability.general_text is not None:
        general = load_general(capability.general_text, capability.general_examples, task, tokenizer, seed)
    return Loaded(resolved, model, tokenizer, data, device, general, harness)
