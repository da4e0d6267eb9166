"""Between the messages and the trials of a worker."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from pydantic import ValidationError

from trainables.evaluation.measurement import Measurement
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


def rung_reply(trial: LoraTrial, request: TrainRequest, found: Measurement, items_file: str) -> Reply:
    """What a trial measured at the rung to which it was trained and saved."""
    reply = replace(
        front_reply(trial, found, items_file),
        metrics={"train_loss": trial.slice.mean_loss} | found.metrics,
        items=found.items,
        checkpoint=request.save_to,
    )
    return with_slice(reply, trial, request)


def front_reply(trial: LoraTrial, found: Measurement, items_file: str) -> Reply:
    """What a trial measured that was not trained."""
    return Reply(
        "ok",
        step=trial.step,
        metrics=dict(found.metrics),
        intervals=dict(found.intervals),
        eval_seconds=found.seconds["total"],
        eval_parts=found.parts,
        items_file=items_file,
    )


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
