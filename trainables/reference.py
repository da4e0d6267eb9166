"""What settings and parameters are, read off their models: type, default, range and meaning."""

from __future__ import annotations

import inspect
import json
import re
import types
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from trainables.text import joined

_ENTRY = re.compile(r"^    (\w+): (.+(?:\n     +.+)*)", re.MULTILINE)
_PLAIN = {int: "whole number", float: "number", str: "text", bool: "true or false", types.NoneType: "null"}
_NO_BOUNDS = (2**31 - 1, 2**31, 2**63)
"""What a machine's integers hold; nobody comes near it."""
_SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


class Setting(NamedTuple):
    """One field of a model.

    Attributes:
        name: Of the field.
        kind: Its type, in words.
        default: As YAML; None where it must be given.
        range: Its bounds, for example `> 0, <= 10`; empty without any.
        meaning: What it is.
        is_choice: Whether its kind lists its values.
    """

    name: str
    kind: str
    default: str | None
    range: str
    meaning: str
    is_choice: bool = False


def settings(model: type[BaseModel]) -> list[Setting]:
    """The fields of a model in their order; the meaning is that of the class nearest to it that gives one."""
    meanings = _meanings(model)
    return [
        Setting(
            name,
            kind_of(_annotated(field)),
            default_of(field),
            ", ".join(dict.fromkeys(_bounds(_annotated(field)))),
            field.description or meanings.get(name, ""),
            get_origin(field.annotation) is Literal,
        )
        for name, field in model.model_fields.items()
    ]


@cache
def _meanings(model: type[BaseModel]) -> dict[str, str]:
    """By field, what the docstrings of a model and of its bases say."""
    meanings: dict[str, str] = {}
    for base in reversed(model.__mro__):
        _, _, text = inspect.cleandoc(base.__dict__.get("__doc__") or "").partition("\nAttributes:\n")
        for match in _ENTRY.finditer(text):
            meanings[match[1]] = " ".join(match[2].split())
    return meanings


def default_of(field: FieldInfo) -> str | None:
    """The default as YAML; None where there is none."""
    if field.default is PydanticUndefined:
        return (
            None if field.default_factory is None else as_yaml(field.get_default(call_default_factory=True))
        )
    return as_yaml(field.default)


def as_yaml(value: Any) -> str:
    """A plain value on one line."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {as_yaml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(as_yaml, value)) + "]"
    if isinstance(value, float) and not isinstance(value, bool):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)


def kind_of(annotation: Any) -> str:
    """A type in words, for example "whole number or auto"."""
    kinds = list(dict.fromkeys(_kinds(annotation)))
    if "null" in kinds:
        kinds = [*(kind for kind in kinds if kind != "null"), "null"]
    return joined(kinds, "or")


def _kinds(annotation: Any) -> Iterator[str]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _kinds(arguments[0])
    elif origin is Literal:
        yield from (as_yaml(value) for value in arguments)
    elif origin in (Union, types.UnionType):
        for argument in arguments:
            yield from _kinds(argument)
    elif origin in (tuple, list):
        yield f"list of {_plural(kind_of(arguments[0]))}"
    elif origin is dict:
        yield "mapping"
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield "section"
    else:
        yield _PLAIN.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _plural(kind: str) -> str:
    return {"text": "texts", "section": "sections", "mapping": "mappings"}.get(kind, kind)


def _annotated(field: FieldInfo) -> Any:
    """The annotation with its constraints, which pydantic keeps apart from it."""
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def _bounds(annotation: Any) -> Iterator[str]:
    arguments: Sequence[Any] = get_args(annotation)
    if get_origin(annotation) is Annotated:
        annotation, *metadata = arguments
        yield from _bounds(annotation)
        for item in metadata:
            for name, sign in _SIGNS.items():
                constraints = [item, *getattr(item, "metadata", ())]
                yield from (
                    f"{sign} {as_yaml(value)}"
                    for constraint in constraints
                    if (value := getattr(constraint, name, None)) not in (None, *_NO_BOUNDS)
                )
    elif get_origin(annotation) in (Union, types.UnionType):
        for argument in arguments:
            yield from _bounds(argument)
