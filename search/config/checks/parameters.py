"""Searched and fixed parameters against what the trainable accepts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from search.config.checks import parts
from search.config.checks.whole import check_whole, refusals
from search.config.compose import Composed
from search.config.foreign import TRAINED
from search.config.nearest import did_you_mean, nearest
from search.config.origins import Key
from search.config.space import CategoricalParameter, FloatParameter, IntParameter, Parameter
from search.config.wording import describe
from search.record.events import Scalar
from search.space import SearchSpace, declaration_problems


def check_parameters(composed: Composed) -> None:
    """Names, values, bounds, conditions, expressions, and listed points."""
    parameters, fixed = parts.parameters(composed), parts.fixed(composed)
    before = len(composed.problems)
    spec = parts.trainable(composed)
    if spec is not None:
        _check_names(composed, spec.parameters)
        _check_values(composed, spec.parameters, parameters, fixed)
    both = [name for name in fixed if name in parameters]
    for name in both:
        composed.complain(
            ("fixed", name),
            f"{name} is searched ({composed.origins.of(('parameters', name))}) and cannot be fixed as well",
            f"to search it no longer, add parameters.{name}=null",
        )
    free = {name: value for name, value in fixed.items() if name not in both}
    for below, message, hint in declaration_problems(parameters, free):
        composed.complain(("parameters", *below.split(".")), message, hint)
    declared = composed.data.get("parameters")
    if len(composed.problems) == before and isinstance(declared, dict) and len(parameters) == len(declared):
        space = SearchSpace(parameters, fixed)
        _check_points(composed, space)
        if spec is not None:
            check_whole(composed, spec.parameters, space)
    _check_searcher(composed, parameters)


def _check_names(composed: Composed, model: type[BaseModel]) -> None:
    known = list(model.model_fields)
    for section in ("parameters", "fixed"):
        named = composed.data.get(section)
        for name in named if isinstance(named, dict) else ():
            if name not in known and not composed.is_broken((section, name)):
                composed.complain(
                    (section, name),
                    f"the trainable {parts.text(composed, 'trainable')} has no parameter {name!r}",
                    _meant(name, known),
                )


def _meant(name: str, known: Sequence[str]) -> str:
    """The parameter that another tool calls so, and those with nearly the name."""
    elsewhere = [TRAINED[name.lower()]] if name.lower() in TRAINED else []
    near = [*elsewhere, *(other for other in nearest(name, known) if other not in elsewhere)]
    return f"did you mean {' or '.join(near)}?" if near else did_you_mean(name, known)


def _check_values(
    composed: Composed,
    model: type[BaseModel],
    parameters: Mapping[str, Parameter],
    fixed: Mapping[str, Scalar],
) -> None:
    """Each choice, bound and fixed value by itself."""
    for name, value in fixed.items():
        _check_value(composed, model, name, value, ("fixed", name))
    for name, parameter in parameters.items():
        if isinstance(parameter, FloatParameter) and name in model.model_fields and _is_whole(model, name):
            hint = "use type: int or categorical"
            composed.complain(("parameters", name, "type"), f"{name} takes whole numbers", hint)
            continue
        for below, value in _values(parameter).items():
            _check_value(composed, model, name, value, ("parameters", name, *below))


def _values(parameter: Parameter) -> dict[Key, Scalar]:
    """The values of a parameter that say whether all of them are right, by where they are given."""
    if isinstance(parameter, CategoricalParameter):
        return {("choices", index): choice for index, choice in enumerate(parameter.choices)}
    if isinstance(parameter, FloatParameter | IntParameter):
        return {("low",): parameter.low, ("high",): parameter.high}
    return {}


def _check_value(composed: Composed, model: type[BaseModel], name: str, value: Scalar, key: Key) -> None:
    if name not in model.model_fields or composed.is_broken(key):
        return
    errors = [error for error in refusals(model, {name: value}) if error["loc"][:1] == (name,)]
    if errors:
        message, hint = describe(errors)
        composed.complain(key, message, hint)


def _is_whole(model: type[BaseModel], name: str) -> bool:
    """Whether a parameter takes whole numbers only."""
    refused = {error["type"] for error in refusals(model, {name: 0.5}) if error["loc"][:1] == (name,)}
    return bool(refused & {"int_type", "int_from_float"})


def _check_searcher(composed: Composed, parameters: Mapping[str, Parameter]) -> None:
    """What a searcher needs of the parameters."""
    searcher = parts.text(composed, "searcher", "name")
    if searcher == "listed" and not composed.data.get("points"):
        composed.complain(
            ("points",),
            "is empty, and the searcher `listed` tries nothing else",
            "list points, or choose another searcher",
            composed.origins.of(("points",) if "points" in composed.data else ("searcher", "name")),
        )
    if searcher != "grid":
        return
    for name, parameter in parameters.items():
        ranges = isinstance(parameter, FloatParameter) and parameter.low < parameter.high
        if ranges and getattr(parameter, "points", None) is None:
            composed.complain(
                ("parameters", name, "points"),
                "is missing: the searcher `grid` must know how many values to take",
                f"add parameters.{name}.points=3, or choose another searcher",
            )


def _check_points(composed: Composed, space: SearchSpace) -> None:
    for index, point in parts.mappings_in(composed.data.get("points")).items():
        if message := space.contains(point):
            composed.complain(("points", index), message, "every listed point must lie in the space")
