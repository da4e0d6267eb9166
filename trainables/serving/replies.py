"""Between what a worker measures and the messages that say so."""

from __future__ import annotations

from dataclasses import replace

from trainables.messages import Reply, TrainRequest
from trainables.serving.held import Evaluation, Trial


def rung_reply(trial: Trial, request: TrainRequest, measured: Evaluation, items_file: str | None) -> Reply:
    """What a trial measured at the rung to which it was trained and saved."""
    reply = replace(
        front_reply(trial, measured, items_file),
        metrics={"train_loss": trial.slice.mean_loss} | measured.metrics,
        items=measured.items,
        checkpoint=request.save_to,
    )
    return with_slice(reply, trial, request)


def front_reply(trial: Trial, measured: Evaluation, items_file: str | None) -> Reply:
    """What a trial measured that was not trained."""
    return Reply(
        "ok",
        step=trial.step,
        metrics=dict(measured.metrics),
        intervals=dict(measured.intervals),
        eval_seconds=measured.seconds,
        eval_parts=measured.parts,
        items_file=items_file,
    )


def baseline_reply(measured: Evaluation, items_file: str | None) -> Reply:
    """What was measured of a baseline."""
    return Reply(
        "ok",
        metrics=dict(measured.metrics),
        intervals=dict(measured.intervals),
        items=measured.items,
        eval_seconds=measured.seconds,
        eval_parts=measured.parts,
        items_file=items_file,
    )


def with_slice(reply: Reply, trial: Trial, request: TrainRequest) -> Reply:
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
