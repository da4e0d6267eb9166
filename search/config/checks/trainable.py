"""The trainable's own checks of its sections."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from search.config.composed import Composed
from search.config.origins import Key
from trainables.messages import TRAIN_LOSS
from trainables.specs import TRAINABLES
from trainables.trainable import BASE, MetricSpec, TrainableSpec


def check_options(composed: Composed) -> None:
    """Runs the trainable's checks once each of its sections is valid."""
    spec = TRAINABLES[composed.trainable]
    given = {name: composed.data[name] for name in spec.options.model_fields if name in composed.data}
    if any(composed.is_broken((name,)) for name in spec.options.model_fields):
        return
    try:
        options = spec.options.model_validate_json(json.dumps(given), strict=True)
    except ValidationError:
        return
    for finding in spec.check(options):
        key: Key = tuple(int(part) if part.isdecimal() else part for part in finding.key.split("."))
        if not composed.is_broken(key):
            composed.complain(key, finding.message, finding.hint)
    _check_baselines(composed, spec, options)
    if any(key[0] in spec.options.model_fields for key in composed.broken):
        return  # a name that was refused there may be why
    for problem in _unsound(spec, spec.metrics(options)):
        composed.complain(("trainable",), problem, "repair or update the package that provides it")


def _check_baselines(composed: Composed, spec: TrainableSpec, options: Any) -> None:
    """Refuses baselines that cannot be measured with these sections."""
    given = composed.data.get("baselines")
    for index, name in enumerate(given if isinstance(given, list) else ()):
        if isinstance(name, str) and name in spec.baselines and (needed := spec.lacks(options, name)):
            composed.complain(("baselines", index), f"{name} needs {needed}", f"give it, or remove {name}")


def _unsound(spec: TrainableSpec, metrics: Sequence[MetricSpec]) -> Iterator[str]:
    """What is wrong with the metrics that a trainable declares."""
    ratios = [metric.relative for metric in metrics if metric.relative is not None]
    counts = Counter([TRAIN_LOSS, *(metric.name for metric in metrics), *ratios])
    if twice := [name for name, count in counts.items() if count > 1]:
        yield f"declares several metrics of one name: {', '.join(twice)}"
    if ratios and BASE not in spec.baselines:
        yield f"declares {ratios[0]}, a ratio to the base, and no baseline {BASE!r}"
