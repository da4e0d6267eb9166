"""Searched and fixed parameters against the trainable: value by value, and as whole configurations."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from search.config.checks import parts
from search.config.composed import Composed
from search.config.foreign import TRAINED
from search.config.origins import Key
from search.config.space import (
    CategoricalParameter,
    ExpressionParameter,
    FloatParameter,
    IntParameter,
    Parameter,
)
from search.config.wording import describe
from search.errors import TightropeError
from search.record.events import Params, Scalar
from search.space import SampledParameter, SearchSpace, declaration_problems
from trainables.nearest import did_you_mean, nearest

_SAMPLES = 32
_Pick = Callable[[str, SampledParameter], Scalar]


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
            f"{name} is searched ({composed.origins.of(('parameters', name))}) and cannot also be fixed",
            f"to stop searching it, add parameters.{name}=null",
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
    """The parameter that another tool calls by this name, and those with similar names."""
    elsewhere = [TRAINED[name.lower()]] if TRAINED.get(name.lower()) in known else []
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
            composed.complain(("parameters", name, "type"), f"{name} must be a whole number", hint)
            continue
        for below, value in _values(parameter).items():
            _check_value(composed, model, name, value, ("parameters", name, *below))


def _values(parameter: Parameter) -> dict[Key, Scalar]:
    """The values of a parameter that decide whether all its values are valid, by their keys."""
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
    """Requires what the searcher needs from the parameters."""
    searcher = parts.text(composed, "searcher", "name")
    if searcher == "listed" and not composed.data.get("points"):
        composed.complain(
            ("points",),
            "is empty, and the searcher `listed` has no other points",
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
                "is missing: the searcher `grid` needs the number of values",
                f"add parameters.{name}.points=3, or choose another searcher",
            )


def _check_points(composed: Composed, space: SearchSpace) -> None:
    for index, point in parts.mappings_in(composed.data.get("points")).items():
        if message := space.contains(point):
            composed.complain(("points", index), message, "every listed point must lie in the space")


def check_whole(composed: Composed, model: type[BaseModel], space: SearchSpace) -> None:
    """Tries corners of the space and points inside it, and reports the first that no trial could run with.

    This finds faults that no single value shows: an expression that leaves the range, alpha given twice.
    """
    for pick in _picks():
        picked: Params = {}
        try:
            sampled = space.walk(_note_picks(pick, picked))
            params = space.resolve(sampled, trial=0, seed=0)
        except TightropeError as error:
            key = _source(space, error.message)
            composed.complain(key, f"{error.message} (for example at {_point(picked)})", error.hint)
            return
        errors = refusals(model, params)
        if errors:
            message, hint = describe(errors[:1])
            key = _culprit(space, params, errors[0], message)
            composed.complain(key, f"{message} (for example at {_point(sampled)})", hint)
            return


def refusals(model: type[BaseModel], values: Mapping[str, Any]) -> list[ErrorDetails]:
    """Errors of a trainable's parameters with these values."""
    try:
        model.model_validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


def _picks() -> Iterator[_Pick]:
    """All parameters low, all high, and then anywhere."""
    generator = random.Random(0)

    def anywhere(name: str, parameter: SampledParameter) -> Scalar:
        if isinstance(parameter, CategoricalParameter):
            return generator.choice(parameter.choices)
        if isinstance(parameter, IntParameter):
            return generator.randrange(parameter.low, parameter.high + 1, parameter.step)
        return generator.uniform(parameter.low, parameter.high)

    yield lambda _, parameter: _ends(parameter)[0]
    yield lambda _, parameter: _ends(parameter)[1]
    for _ in range(_SAMPLES):
        yield anywhere


def _ends(parameter: SampledParameter) -> tuple[Scalar, Scalar]:
    if isinstance(parameter, CategoricalParameter):
        return parameter.choices[0], parameter.choices[-1]
    return parameter.low, parameter.high


def _note_picks(pick: _Pick, picked: Params) -> _Pick:
    def pick_and_note(name: str, parameter: SampledParameter) -> Scalar:
        picked[name] = pick(name, parameter)
        return picked[name]

    return pick_and_note


def _source(space: SearchSpace, message: str) -> Key:
    """The condition or expression that a message quotes."""
    for name, parameter in space.parameters.items():
        for field in ("when", "value"):
            text = getattr(parameter, field, None)
            if text is not None and f"`{text}`" in message:
                return ("parameters", name, field)
    return ("parameters",)


def _culprit(space: SearchSpace, params: Params, error: ErrorDetails, message: str) -> Key:
    """The parameter that an error is about: by its location, or as the one named first."""
    words = [str(part) for part in error["loc"]] or re.findall(r"\w+", message)
    name = next((word for word in words if word in params), None)
    if name is None:
        return ("parameters",)
    if name in space.fixed:
        return ("fixed", name)
    computed = isinstance(space.parameters[name], ExpressionParameter)
    return ("parameters", name, "value") if computed else ("parameters", name)


def _point(values: Mapping[str, Scalar]) -> str:
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )
