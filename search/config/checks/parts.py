"""Those parts of a composed configuration that are valid by themselves."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from search.config.composed import Composed
from search.config.known import model_types
from search.config.options import KnownMetrics, known_metrics
from search.config.schema import HypothesisConfig, ObjectiveConfig, SearchConfig, default_objectives
from search.config.space import Parameter
from search.record.events import Scalar
from trainables.settings import CapabilityConfig, SkillConfig
from trainables.specs import TRAINABLES, TrainableSpec

M = TypeVar("M", bound=BaseModel)

_PARAMETER: TypeAdapter[Parameter] = TypeAdapter(Parameter)


_PARAMETERS = ("parameters", "fixed")


def text(composed: Composed, *key: str) -> str:
    """A text value or its default; empty where there is none or it is not text."""
    section: Any = composed.data
    for part in key[:-1]:
        section = section.get(part) if isinstance(section, dict) else None
    value = section.get(key[-1]) if isinstance(section, dict) else None
    if value is None:
        default = _default(composed, key)
        return default if isinstance(default, str) else ""
    return value if isinstance(value, str) else ""


def _default(composed: Composed, key: tuple[str, ...]) -> object:
    field = composed.model.model_fields.get(key[0])
    value: Any = None if field is None else field.default
    for part in key[1:]:
        value = getattr(value, part, None)
    return value


def trainable(composed: Composed) -> TrainableSpec | None:
    """The trainable's spec, where its name is known and nothing is wrong with it."""
    name = text(composed, "trainable")
    if name not in TRAINABLES or composed.is_broken(("trainable",)):
        return None
    return TRAINABLES[name]


def has(composed: Composed, name: str, section: type[BaseModel]) -> bool:
    """Whether the trainable has a section of this name, and it is such a one."""
    field = TRAINABLES[composed.trainable].options.model_fields.get(name)
    return field is not None and any(issubclass(model, section) for model in model_types(field.annotation))


def section(composed: Composed, name: str, model: type[BaseModel]) -> dict[str, Any]:
    """The data of such a section; empty where the trainable has none, or it is none."""
    return _mapping(composed, name) if has(composed, name, model) else {}


def metrics(composed: Composed) -> KnownMetrics:
    """The trainable's metrics, as far as its sections are valid."""
    known = known_metrics(composed.trainable, composed.data)
    return replace(known, complete=known.complete and not composed.incomplete)


def parameters(composed: Composed) -> dict[str, Parameter]:
    """The valid search parameters, in their declared order."""
    valid: dict[str, Parameter] = {}
    for name, data in _mapping(composed, "parameters").items():
        try:
            valid[name] = _PARAMETER.validate_json(json.dumps(data), strict=True)
        except ValidationError:
            continue
    return valid


def fixed(composed: Composed) -> dict[str, Scalar]:
    """The valid fixed values."""
    return {
        name: value
        for name, value in _mapping(composed, "fixed").items()
        if not isinstance(value, dict | list) and not composed.is_broken(("fixed", name))
    }


def unclear_parameters(composed: Composed) -> set[str]:
    """Names of parameters that there are, searched or fixed, with something wrong about their values."""
    given = {name for section in _PARAMETERS for name in _mapping(composed, section)}
    return {str(key[1]) for key in composed.broken if len(key) > 1 and key[0] in _PARAMETERS} & given


def objectives(composed: Composed) -> dict[int, ObjectiveConfig]:
    """The valid objectives by their place in the list; the defaults where there is no list."""
    if "objectives" not in composed.data:
        return dict(enumerate(default_objectives(metrics(composed).metrics)))
    return _entries(composed.data["objectives"], ObjectiveConfig)


def hypotheses(composed: Composed) -> dict[str, HypothesisConfig]:
    """The valid hypotheses by name."""
    valid: dict[str, HypothesisConfig] = {}
    for name, data in _mapping(composed, "hypotheses").items():
        try:
            valid[name] = HypothesisConfig.model_validate_json(json.dumps(data), strict=True)
        except ValidationError:
            continue
    return valid


def baselines(composed: Composed) -> list[str]:
    """Names of the baselines that are measured."""
    given = composed.data.get("baselines", SearchConfig.model_fields["baselines"].default)
    return [name for name in given if isinstance(name, str)] if isinstance(given, list | tuple) else []


def skills(composed: Composed) -> dict[int, SkillConfig]:
    """The valid skills by their place in the list."""
    return _entries(section(composed, "capability", CapabilityConfig).get("skills"), SkillConfig)


def mappings_in(value: Any) -> dict[int, dict[str, Any]]:
    """The entries of a list that are mappings, by their place in it."""
    items = enumerate(value) if isinstance(value, list) else ()
    return {index: item for index, item in items if isinstance(item, dict)}


def _mapping(composed: Composed, key: str) -> dict[str, Any]:
    value = composed.data.get(key)
    return value if isinstance(value, dict) else {}


def _entries(value: Any, model: type[M]) -> dict[int, M]:
    valid: dict[int, M] = {}
    for index, item in mappings_in(value).items():
        try:
            valid[index] = model.model_validate_json(json.dumps(item), strict=True)
        except ValidationError:
            continue
    return valid
