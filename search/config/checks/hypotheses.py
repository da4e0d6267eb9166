"""Hypotheses: claims that can be parsed, about metrics, baselines and parameters that there are."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

from search.claims import ClaimError, Filter, Quantity, parse_claim, same, spelled
from search.config.checks import parts
from search.config.checks.objectives import metric_names
from search.config.composed import Composed
from search.config.origins import Key
from search.config.schema import HypothesisConfig
from search.config.space import (
    CategoricalParameter,
    ExpressionParameter,
    FloatParameter,
    IntParameter,
    Parameter,
    grid_values,
)
from search.record.events import Scalar
from trainables.messages import TRAIN_LOSS
from trainables.nearest import did_you_mean
from trainables.trainable import MetricSpec

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_FILTERED = "where and filters in brackets choose among trials"
_LISTED = 20
"""Values of a whole number that a hint lists, at most."""


@dataclass(frozen=True)
class _Known:
    """What claims may name.

    Attributes:
        unclear: Parameters whose values are not known, because something is wrong with them.
    """

    metrics: Sequence[MetricSpec]
    complete: bool
    baselines: Sequence[str]
    parameters: Mapping[str, Parameter]
    fixed: Mapping[str, Scalar]
    unclear: Collection[str]
    grid: bool


def check_hypotheses(composed: Composed) -> None:
    """Every claim can be parsed and answered."""
    measured = parts.metrics(composed)
    known = _Known(
        measured.metrics,
        measured.complete,
        parts.baselines(composed),
        parts.parameters(composed),
        parts.fixed(composed),
        parts.unclear_parameters(composed),
        parts.text(composed, "searcher", "name") == "grid",
    )
    for name, hypothesis in parts.hypotheses(composed).items():
        key: Key = ("hypotheses", name)
        if not _NAME.fullmatch(name):
            composed.complain(
                key, "is not a name of a hypothesis", "use letters, digits, _ and -, such as H1"
            )
        for parameter, filter_ in hypothesis.filters.items():
            for message, hint in _wrong_filter(known, [filter_]):
                composed.complain((*key, "where", parameter), message, hint)
        try:
            claim = parse_claim(hypothesis.claim)
        except ClaimError as error:
            composed.complain((*key, "claim"), error.message, error.hint)
            continue
        for message, hint in dict.fromkeys(_wrong(known, hypothesis, claim.quantities)):
            composed.complain((*key, "claim"), message, hint)
        filtered = bool(hypothesis.where) or any(quantity.filters for quantity in claim.quantities)
        if hypothesis.over == "recommended" and filtered:
            hint = f"{_FILTERED}: write over: all, or leave it out"
            composed.complain((*key, "over"), "is recommended, which is a single configuration", hint)


def _wrong(
    known: _Known, hypothesis: HypothesisConfig, quantities: Iterable[Quantity]
) -> Iterator[tuple[str, str | None]]:
    """Messages with hints about what a claim names."""
    names = metric_names(known.metrics)
    learned = [TRAIN_LOSS, *(metric.name for metric in known.metrics if metric.trained)]
    for quantity in quantities:
        of_baseline = quantity.baseline is not None
        if of_baseline and quantity.baseline not in known.baselines:
            message = f"names the baseline {quantity.baseline!r}, which this search does not measure"
            yield message, f"{did_you_mean(str(quantity.baseline), known.baselines)}; baselines=[...] chooses"
        possible = [name for name in names if not (of_baseline and name in learned)]
        if quantity.metric not in possible and known.complete:
            message = f"names {quantity.metric!r}, which is not measured in this search"
            if of_baseline and quantity.metric in learned:
                what = "training loss" if quantity.metric == TRAIN_LOSS else quantity.metric
                message = f"names {quantity}, and baselines have no {what}"
            yield message, did_you_mean(quantity.metric, possible)
        front = metric_names([metric for metric in known.metrics if metric.at == "front"])[1:]
        if not of_baseline and quantity.metric in front and hypothesis.scope(bool(quantity.filters)) == "all":
            message = f"names {quantity.metric!r}, which is measured on the Pareto front alone"
            yield message, "write over: front, or give its skill `at: every`"
        if not of_baseline:
            yield from _wrong_filters(known, hypothesis, quantity)


def _wrong_filters(
    known: _Known, hypothesis: HypothesisConfig, quantity: Quantity
) -> Iterator[tuple[str, str | None]]:
    """Messages with hints about the filters of a quantity, by themselves and beside those of `where`."""
    for name in dict.fromkeys(each.parameter for each in quantity.filters):
        filters = [each for each in quantity.filters if each.parameter == name]
        wrong = [each for filter_ in filters for each in _wrong_filter(known, [filter_])]
        where = [hypothesis.filters[name]] if name in hypothesis.filters else []
        if not wrong and not any(_wrong_filter(known, where)):
            wrong = [*_wrong_filter(known, [*where, *filters])]
        yield from wrong


def _wrong_filter(known: _Known, filters: Sequence[Filter]) -> Iterator[tuple[str, str | None]]:
    """Messages with hints about conditions on one parameter, all of which are to hold."""
    name = filters[0].parameter if filters else ""
    if not filters or name in known.unclear:
        return
    if name not in known.parameters and name not in known.fixed:
        message = f"filters trials by {name!r}, which is no parameter of this space"
        yield message, did_you_mean(name, [*known.parameters, *known.fixed])
        return
    possible = _possible(known, name, filters)
    if possible is None:
        return
    hint = f"there are: {_shown(known, name)}"
    (first, *others) = filters
    if others or first.relation != "=":
        if not any(all(filter_.keeps({name: value}) for filter_ in filters) for value in possible):
            yield f"filters trials by {' and '.join(map(str, filters))}, which holds for none", hint
        return
    for value in first.values:
        if not any(same(value, other) for other in possible):
            yield f"filters trials by {name}={spelled(value)}, a value that no trial has", hint


def _possible(known: _Known, name: str, filters: Sequence[Filter]) -> Sequence[Scalar] | None:
    """Values of a parameter, among them one that the filters keep if there is any; None where not known."""
    parameter = known.parameters.get(name)
    if parameter is None:
        return [known.fixed[name]]
    if parameter.when is not None or isinstance(parameter, ExpressionParameter):
        return None
    if isinstance(parameter, CategoricalParameter):
        return parameter.choices
    if isinstance(parameter, FloatParameter) and known.grid:
        return grid_values(parameter)
    low, high = parameter.low, parameter.high
    named = [value for filter_ in filters for value in filter_.values if type(value) in (int, float)]
    ends = [low, high, *(min(max(cast(float, value), low), high) for value in named)]
    if isinstance(parameter, IntParameter):
        steps = {math.floor((end - low) / parameter.step) + shift for end in ends for shift in (-1, 0, 1)}
        values = (parameter.low + step * parameter.step for step in steps)
        return [value for value in values if low <= value <= high]
    ends = sorted(set(ends))
    return [*ends, *((left + right) / 2 for left, right in pairwise(ends))]


def _shown(known: _Known, name: str) -> str:
    """The values of a parameter for people."""
    parameter = known.parameters.get(name)
    values: Sequence[Scalar] | None = None
    if parameter is None:
        values = [known.fixed[name]]
    elif isinstance(parameter, CategoricalParameter):
        values = parameter.choices
    elif isinstance(parameter, IntParameter):
        values = range(parameter.low, parameter.high + 1, parameter.step)
    elif isinstance(parameter, FloatParameter) and known.grid:
        values = grid_values(parameter)
    if isinstance(parameter, IntParameter | FloatParameter) and (values is None or len(values) > _LISTED):
        return f"{spelled(parameter.low)} to {spelled(parameter.high)}"
    return ", ".join(map(spelled, values or ()))
