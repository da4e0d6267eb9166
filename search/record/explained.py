"""What explains a search's trainable to whoever reads its record."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from search.record.events import RecordedMetric, RecordedTrainable, SearchStarted
from search.record.state import SearchState
from trainables.messages import TRAIN_LOSS
from trainables.specs import TRAINABLES

_TRIES = 3
"""Without what was wrong before, something else may be wrong."""
_BEFORE = "lora"
"""The trainable of all records that do not explain it."""


def explanation(trainable: str, options: object) -> RecordedTrainable:
    """What a record keeps of a registered trainable.

    Args:
        trainable: Its name.
        options: The sections of the configuration that it owns, an instance of `TrainableSpec.options`.
    """
    spec = TRAINABLES[trainable]
    return RecordedTrainable(
        subject=spec.subject(options),
        artifact=spec.artifact.name,
        load=spec.artifact.load,
        form=spec.artifact.form,
        metrics=tuple(RecordedMetric(**asdict(metric)) for metric in spec.metrics(options)),
        shown=None if spec.shown is None else spec.shown(options),
        parameters=tuple(spec.parameters.model_fields),
        words=dict(spec.words),
        loss_unit=spec.loss_unit,
        trained_baselines=spec.trained_baselines,
    )


def explained(started: SearchStarted) -> RecordedTrainable:
    """What explains the trainable of a recorded search; for older records as it is known now."""
    if started.trainable is not None:
        return started.trainable
    spec = TRAINABLES[_BEFORE]
    sections = {name: started.config.get(name) for name in spec.options.model_fields}
    for _ in range(_TRIES):
        try:
            return explanation(_BEFORE, spec.options.model_validate(sections))
        except ValidationError as error:  # a record of another version
            sections = _without(sections, error)
    made = spec.artifact
    kept = RecordedMetric(name="capability", direction="max", relative="retention", sample="questions")
    return RecordedTrainable(
        subject="the base model", artifact=made.name, load=made.load, form=made.form, metrics=(kept,)
    )


def trainable_of(state: SearchState) -> RecordedTrainable:
    """What explains the trainable of a search that has begun."""
    assert state.started is not None
    return explained(state.started)


def _without(sections: Mapping[str, Any], error: ValidationError) -> dict[str, Any]:
    """The sections without the settings that are wrong: keys that are gone, or values that are refused."""
    left = deepcopy(dict(sections))
    places = [problem["loc"] for problem in error.errors(include_url=False, include_input=False)]
    for place in places:
        if any(other != place and other[: len(place)] == place for other in places):
            continue  # wrong for what is wrong within it
        *path, last = place
        part: Any = left
        for key in path:
            inside = isinstance(part, dict | list) and (key in part or isinstance(key, int))
            part = part[key] if inside else None
        if isinstance(part, dict):
            part.pop(last, None)
    return left


def ratios(trainable: RecordedTrainable) -> dict[str, RecordedMetric]:
    """The metrics that are compared with the base, by the name of their ratio to it."""
    return {metric.relative: metric for metric in trainable.metrics if metric.relative is not None}


def metric_of(trainable: RecordedTrainable, name: str) -> RecordedMetric | None:
    """The metric of a name, or whose ratio to the base has it; None where the record says nothing of it."""
    described = {metric.name: metric for metric in trainable.metrics}
    return described.get(name) or ratios(trainable).get(name)


def range_of(trainable: RecordedTrainable, name: str) -> tuple[float, float]:
    """The least and the greatest value that a metric can have."""
    if name == TRAIN_LOSS:
        return 0.0, math.inf
    described = metric_of(trainable, name)
    if described is None:
        return -math.inf, math.inf
    # A ratio has the bound of what it is a ratio of only at 0.
    return (described.low, described.high) if described.name == name else (0.0, math.inf)


def kept_metric(trainable: RecordedTrainable, objectives: Sequence[str]) -> RecordedMetric | None:
    """The metric that says what a trial keeps of what the base could do; None where there is none.

    Args:
        trainable: As recorded.
        objectives: Metrics of the objectives. The first that is such a ratio, or its metric, comes before
            the others.
    """
    candidates = [metric for metric in ratios(trainable).values() if metric.direction == "max"]
    wanted = [
        metric for name in objectives for metric in candidates if name in (metric.name, metric.relative)
    ]
    return next(iter([*wanted, *candidates]), None)
