"""Between what a worker measures and the messages that say so."""

from __future__ import annotations

from typing import Any

from trainables.messages import Reply, TrainRequest
from trainables.serving.held import Evaluation, Trial


def reply_of(measured: Evaluation, items_file: str | None, **more: Any) -> Reply:
    """What was measured of a trial that was not trained, or of a baseline."""
    fields: dict[str, Any] = {
        "metrics": measured.metrics,
        "intervals": measured.intervals,
        "items": measured.items,
        "eval_seconds": measured.seconds,
        "eval_parts": measured.parts,
        "items_file": items_file,
    }
    return Reply("ok", **(fields | more))


def rung_reply(trial: Trial, request: TrainRequest, measured: Evaluation, items_file: str | None) -> Reply:
    """What a trial measured at the rung to which it was trained and saved."""
    metrics = {"train_loss": trial.slice.mean_loss} | measured.metrics
    more = {"step": trial.step, "metrics": metrics, "checkpoint": request.save_to}
    return reply_of(measured, items_file, **more, **slice_fields(trial, request))


def slice_fields(trial: Trial, request: TrainRequest) -> dict[str, Any]:
    """What training measured on the way."""
    part = trial.slice
    return {
        "curve": part.curve(request.from_step),
        "train_seconds": part.seconds,
        "tokens": part.tokens,
        "padding": part.padding / max(1, part.passed),
        "pack": part.partners / max(1, part.passes),
    }
