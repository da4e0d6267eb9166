"""What one worker reads before it serves: the model and the task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from trainables.data.task import TaskData, load_task
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


def load(settings: GroupSettings, device: torch.device) -> Loaded:
    """Reads the model and the task; no collective call.

    Raises:
        UserError: The model or the task cannot be loaded as configured.
    """
    resolved = resolve(settings.model)
    model, tokenizer = load_base(resolved, settings.model, device)
    return Loaded(resolved, model, tokenizer, load_task(settings.task, tokenizer, settings.seed), device)
