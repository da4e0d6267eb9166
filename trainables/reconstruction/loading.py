"""What one worker reads before it serves: the model, and the questions about passages."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch

from trainables.lora.loading import refuse_unknown
from trainables.messages import GroupSettings
from trainables.models.load import fetch, load_tokenizer, load_weights, vocabulary_rows
from trainables.models.resolve import ResolvedModel, resolve
from trainables.reconstruction.data import ReadingData, load_readings
from trainables.reconstruction.options import ReconstructionOptions


@dataclass(frozen=True)
class Loaded:
    """What one worker has read, before anything that all workers do together."""

    resolved: ResolvedModel
    model: Any
    tokenizer: Any
    data: ReadingData


def load(settings: GroupSettings, device: torch.device) -> Loaded:
    """Reads the model and the questions; no collective call.

    The weights, which may take minutes, come after all that can be found wrong without them.

    Raises:
        UserError: The model or the questions cannot be loaded as configured, or prompts have tokens that the
            model does not have.
    """
    options: ReconstructionOptions = settings.options
    configured = options.model
    resolved = fetch(resolve(configured), configured)
    tokenizer, context = load_tokenizer(resolved, configured)
    data = load_readings(options.task, tokenizer, settings.seed, context)
    rows = vocabulary_rows(resolved, configured)
    for key, part in (("task.train", data.train), ("task.heldout", data.heldout)):
        ids = chain.from_iterable((q.prompt.ids, q.prompt.cue, *q.answers) for q in part)
        refuse_unknown(tokenizer, rows, ids, key)
    return Loaded(resolved, load_weights(resolved, configured, tokenizer, device), tokenizer, data)
