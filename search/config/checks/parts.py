"""Those parts of a composed configuration that are valid by themselves."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from search.config.compose import Composed
from search.config.schema import ObjectiveConfig, SearchConfig
from search.config.space import Parameter
from search.record.events import Scalar
from trainables.settings import SkillConfig
from trainables.specs import TRAINABLES, TrainableSpec

M = TypeVar("M", bound=BaseModel)

_PARAMETER: TypeAdapter[Parameter] = TypeAdapter(Parameter)


def text(composed: Composed, *key: str) -> str:
    """A text value, its default, or nothing where there is none or it is of another type."""
    section: Any = composed.data
    for part in key[:-1]:
        section = section.get(part) if isinstance(section, dict) else None
    value = section.get(key[-1]) if isinstance(section, dict) else None
    if value is None:
        default = _default(key)
        return default if isinstance(default, str) else ""
    return value if isinstance(value, str) else ""


def _default(key: tuple[str, ...]) -> object:
    value: Any = SearchConfig.model_fields[key[0]].default
    for part in key[1:]:
        value = getattr(value, part, None)
    return value


def trainable(composed: Composed) -> TrainableSpec | None:
    """The trainable's spec, where its name is known."""
    name = text(composed, "trainable")
    if name not in TRAINABLES:
        return None
    return TRAINABLES[name]


def parameters(composed: Composed) -> dict[str, Parameter]:
    """The valid search parameters, in their declared order."""
    found: dict[str, Parameter] = {}
    for name, data in _mapping(composed, "parameters").items():
        try:
            found[name] = _PARAMETER.validate_json(json.dumps(data), strict=True)
        except ValidationError:
            continue
    return found


def fixed(composed: Composed) -> dict[str, Scalar]:
    """The fixed values that are single values."""
    return {
        name: value
        for name, value in _mapping(composed, "fixed").items()
        if not isinstance(value, dict | list) and not composed.is_broken(("fixed", name))
    }


def objectives(composed: Composed) -> dict[int, ObjectiveConfig]:
    """The valid objectives by their place in the list; the defaults where there is no list."""
    if "objectives" not in composed.data:
        return dict(enumerate(SearchConfig.model_fields["objectives"].default))
    return _entries(composed.data["objectives"], ObjectiveConfig)


def skills(composed: Composed) -> dict[int, SkillConfig]:
    """The valid skills by their place in the list."""
    return _entries(_mapping(composed, "capability").get("skills"), SkillConfig)


def mappings_in(value: Any) -> dict[int, dict[str, Any]]:
    """The entries of a list that are mappings, by their place in it."""
    items = enumerate(value) if isinstance(value, list) else ()
    return {index: item for index, item in items if isinstance(item, dict)}


def _mapping(composed: Composed, key: str) -> dict[str, Any]:
    value = composed.data.get(key)
    return value if isinstance(value, dict) else {}


def _entries(value: Any, model: type[M]) -> dict[int, M]:
    found: dict[int, M] = {}
    for index, item in mappings_in(value).items():
        try:
            found[index] = model.model_validate_json(json.dumps(item), strict=True)
        except ValidationError:
            continue
    return found
