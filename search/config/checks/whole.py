"""Whole configurations, as trials would get them, against what the trainable accepts."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from search.config.compose import Composed
from search.config.origins import Key
from search.config.space import CategoricalParameter, ExpressionParameter, IntParameter
from search.config.wording import describe
from search.errors import TightropeError
from search.record.events import Params, Scalar
from search.space import SampledParameter, SearchSpace

_SAMPLES = 32


def check_whole(composed: Composed, model: type[BaseModel], space: SearchSpace) -> None:
    """Tries corners of the space and points within, and reports the first that no trial could run with.

    This finds what no value shows by itself: an expression that leaves the range, alpha given twice.
    """
    for pick in _picks():
        picked: Params = {}
        try:
            sampled = space.walk(_noting(pick, picked))
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
    """What a trainable's model of its parameters has against these values."""
    try:
        model.model_validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        return error.errors(include_url=False)
    return []


_Pick = Callable[[str, SampledParameter], Scalar]


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


def _noting(pick: _Pick, picked: Params) -> _Pick:
    def noting(name: str, parameter: SampledParameter) -> Scalar:
        picked[name] = pick(name, parameter)
        return picked[name]

    return noting


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
