"""Between what a worker measures and the messages that say so."""

from __future__ import annotations

import math
from typing import Any

from trainables.messages import TRAIN_LOSS, Reply, TrainRequest
from trainables.serving.held import Evaluation, Trial

_MOST_ITEMS = 256
"""Of a metric whose numbers a record holds: more would fill it, and need no pairing."""


def reply_of(measured: Evaluation, items_file: str | None, **more: Any) -> Reply:
    """What was measured of a trial that was not trained, or of a baseline."""
    fields: dict[str, Any] = {
        "metrics": measured.metrics,
        "intervals": measured.intervals,
        "items": measured.items,
        "values": recorded_values(measured),
        "eval_seconds": measured.seconds,
        "eval_parts": measured.parts,
        "items_file": items_file,
    }
    return Reply("ok", **(fields | more))


def recorded_values(measured: Evaluation) -> dict[str, list[float]]:
    """The values item by item that a record holds, with 6 significant digits; none of what has many items."""
    return {
        name: [float(f"{value:.6g}") for value in values]
        for name, values in measured.values.items()
        if name not in measured.items and 1 < len(values) <= _MOST_ITEMS and all(map(math.isfinite, values))
    }


def rung_reply(trial: Trial, request: TrainRequest, measured: Evaluation, items_file: str | None) -> Reply:
    """What a trial measured at the rung to which it was trained and saved."""
    metrics = {TRAIN_LOSS: trial.slice.mean_loss} | measured.metrics
    more: dict[str, Any] = {"step": trial.step, "metrics": metrics, "checkpoint": request.save_to}
    if not request.last:
        more["values"] = {}  # nothing is claimed of trials on their way
    return reply_of(measured, items_file, **more, **slice_fields(trial, request))


def unmeasured_reply(trial: Trial, request: TrainRequest) -> Reply:
    """What is known of a trial at a rung at which it was saved and not measured."""
    return rung_reply(trial, request, Evaluation({}), None).model_copy(update={"measured": False})


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
