"""Pydantic models that know every key, and their errors as problems with a file and line."""

from __future__ import annotations

from typing import Any, ClassVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from search.clustercheck.document import Document, KeyPath
from search.clustercheck.names import did_you_mean
from search.errors import Problem


class Strict(BaseModel):
    """A mapping whose keys are all known.

    Attributes:
        refused: Keys that exist but must not be given here, with what to do instead.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    refused: ClassVar[dict[str, str]] = {}


def violations(model: type[Strict], value: Any, path: KeyPath, document: Document) -> list[Problem]:
    """Problems of the value at `path` when read as `model`."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        return [_problem(model, details, path, document) for details in error.errors(include_url=False)]
    return []


def _problem(model: type[Strict], details: ErrorDetails, path: KeyPath, document: Document) -> Problem:
    location = details["loc"]
    full = (*path, *location)
    match details["type"]:
        case "extra_forbidden":
            owner, name = _owner(model, location[:-1]), str(location[-1])
            if name in owner.refused:
                return document.problem(full, "must not be given here", owner.refused[name])
            return document.problem(full, "unknown key", did_you_mean(name, owner.model_fields))
        case "missing":
            return document.problem(full, "is missing")
        case "value_error":
            return document.problem(full, details["msg"].removeprefix("Value error, "))
        case "model_type":
            return document.problem(full, f"is {details['input']!r}", "give a mapping of keys to values")
        case _:
            return document.problem(full, f"is {details['input']!r}", details["msg"])


def _owner(model: type[Strict], location: tuple[str | int, ...]) -> type[Strict]:
    """Model of the mapping at `location` inside `model`."""
    for part in location:
        if isinstance(part, str):
            nested = _nested(model.model_fields[part].annotation)
            if nested is None:
                return model
            model = nested
    return model


def _nested(annotation: Any) -> type[Strict] | None:
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        return annotation
    return next((found for argument in get_args(annotation) if (found := _nested(argument))), None)
