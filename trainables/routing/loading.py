"""What one worker reads before it serves: the model, and the task with its behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from trainables.lora.loading import refuse_unknown
from trainables.messages import GroupSettings
from trainables.models.load import fetch, load_tokenizer, load_weights, vocabulary_rows
from trainables.models.resolve import ResolvedModel, resolve
from trainables.routing.data import RoutedData, load_routed
from trainables.routing.options import RoutingOptions


@dataclass(frozen=True)
class Loaded:
    """What one worker has read, before anything that all workers do together."""

    resolved: ResolvedModel
    model: Any
    tokenizer: Any
    data: RoutedData


def load(settings: GroupSettings, device: torch.device) -> Loaded:
    """Reads the model and the task; no collective call.

    The weights, which may take minutes, come after all that can be found wrong without them.

    Raises:
        UserError: The model or the task cannot be loaded as configured, the behaviour cannot be taught or
            measured with it, or texts have tokens that the model does not have.
    """
    options: RoutingOptions = settings.options
    configured = options.model
    resolved = fetch(resolve(configured), configured)
    tokenizer, context = load_tokenizer(resolved, configured)
    data = load_routed(options, tokenizer, settings.seed, context)
    rows = vocabulary_rows(resolved, configured)
    heldout = [*data.heldout_clean, *data.heldout_behaving]
    for key, part in (("task.train", data.train), ("task.heldout", heldout)):
        refuse_unknown(tokenizer, rows, (example.input_ids for example in part), key)
    model = load_weights(resolved, configured, tokenizer, device)
    return Loaded(resolved, model, tokenizer, data)
