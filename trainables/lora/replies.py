"""Between the messages and the trials of a worker."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from pydantic import ValidationError

from trainables.lora.parameters import LoraParameters
from trainables.lora.trial import LoraTrial
from trainables.messages import Params, Reply, TrainRequest


def valid_parameters(probes: Sequence[Params]) -> list[LoraParameters]:
    """Those of the probes that can be trained; a trial that cannot fails by itself, when it comes."""
    found = []
    for params in probes:
        with suppress(ValidationError):
            found.append(LoraParameters.model_validate(params))
    return found


def with_slice(reply: Reply, trial: LoraTrial, request: TrainRequest) -> Reply:
    """The reply with what training measured on the way."""
    part = trial.slice
    return replace(
        reply,
        curve=part.curve(request.from_step),
        train_seconds=part.seconds,
        tokens=part.tokens,
        padding=part.padding / max(1, part.passed),
        pack=part.partners / max(1, part.passes),
    )
