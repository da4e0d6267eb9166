"""The sections that a trainable owns, as far as they are valid, and what it measures with them."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from search.config.known import model_types
from search.config.origins import Key
from trainables.specs import TRAINABLES
from trainables.trainable import MetricSpec

_ROUNDS = 4


@dataclass(frozen=True)
class KnownMetrics:
    """What a trainable measures.

    Attributes:
        metrics: As far as the valid parts of its sections tell.
        complete: Whether there are no others.
    """

    metrics: tuple[MetricSpec, ...]
    complete: bool


def known_metrics(trainable: str, data: Any) -> KnownMetrics:
    """What a trainable measures with these plain data of a configuration."""
    spec = TRAINABLES[trainable]
    sections: dict[str, Any] = {}
    complete = True
    for name, field in spec.options.model_fields.items():
        types = model_types(field.annotation)
        given = data.get(name) if isinstance(data, Mapping) else None
        if given is None and not field.is_required():
            sections[name] = field.get_default(call_default_factory=True)
            continue
        salvaged = salvage(types[0], given) if types and isinstance(given, Mapping) else None
        if salvaged is not None:
            sections[name] = salvaged.section
            complete = complete and salvaged.whole
    try:
        metrics = tuple(spec.metrics(spec.options.model_construct(**sections)))
    except AttributeError:  # they go by a section that is not valid
        return KnownMetrics((), False)
    return KnownMetrics(metrics, complete)


@dataclass(frozen=True)
class Salvaged:
    """What is valid of a section.

    Attributes:
        section: What is left.
        whole: Whether no entry of a list was left out.
    """

    section: Any
    whole: bool


def salvage(model: type[BaseModel], given: Mapping[str, Any]) -> Salvaged | None:
    """The section without the values and the entries of lists that it refuses.

    Returns:
        None where what it needs is then missing.
    """
    data, whole = copy.deepcopy(dict(given)), True
    for _ in range(_ROUNDS):
        try:
            return Salvaged(model.model_validate_json(json.dumps(data), strict=True), whole)
        except ValidationError as error:
            refused = [_refused(details, data) for details in error.errors(include_url=False)]
        for key in sorted({key for key in refused if key}, key=_place, reverse=True):
            whole = whole and len(key) == 1
            _take_out(data, key)
        if not any(refused):
            break
    return None


def _place(key: Key) -> tuple[str, int]:
    return str(key[0]), int(key[1]) if len(key) > 1 else -1


def _refused(details: ErrorDetails, data: Mapping[str, Any]) -> Key:
    """The key, or the entry of a list, that an error is about; empty where that is not there."""
    location = details["loc"]
    if not location or location[0] not in data:
        return ()
    entries = data[str(location[0])]
    index = location[1] if len(location) > 1 else None
    if isinstance(entries, list) and isinstance(index, int) and index < len(entries):
        return (str(location[0]), index)
    return (str(location[0]),)


def _take_out(data: dict[str, Any], key: Key) -> None:
    name = str(key[0])
    if len(key) == 1:
        data.pop(name, None)
    elif isinstance(data.get(name), list):
        del data[name][int(key[1])]
