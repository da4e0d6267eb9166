"""Hypotheses: claims that can be parsed, about metrics, baselines and parameters that there are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from search.claims import ClaimError, Filter, Quantity, parse_claim, same
from search.config.checks import parts
from search.config.checks.objectives import TRAIN_LOSS, metric_names
from search.config.compose import Composed
from search.config.origins import Key
from search.config.schema import HypothesisConfig
from search.config.space import (
    CategoricalParameter,
    ExpressionParameter,
    FloatParameter,
    Parameter,
    grid_values,
)
from search.record.events import Scalar
from trainables.nearest import did_you_mean
from trainables.trainable import MetricSpec

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_FILTERED = "where and filters in brackets choose among trials"


@dataclass(frozen=True)
class _Known:
    """What claims may name."""

    metrics: Sequence[MetricSpec]
    complete: bool
    baselines: Sequence[str]
    parameters: Mapping[str, Parameter]
    fixed: Mapping[str, Scalar]
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
        parts.text(composed, "searcher", "name") == "grid",
    )
    for name, hypothesis in parts.hypotheses(composed).items():
        key: Key = ("hypotheses", name)
        if not _NAME.fullmatch(name):
            composed.complain(
                key, "is not a name of a hypothesis", "use letters, digits, _ and -, such as H1"
            )
        for parameter, filter_ in hypothesis.filters.items():
            for message, hint in _wrong_filter(known, filter_):
                composed.complain((*key, "where", parameter), message, hint)
        try:
            claim = parse_claim(hypothesis.claim)
        except ClaimError as error:
            composed.complain((*key, "claim"), error.message, error.hint)
            continue
        for message, hint in _wrong(known, hypothesis, claim.quantities):
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
    for quantity in quantities:
        of_baseline = quantity.baseline is not None
        if of_baseline and quantity.baseline not in known.baselines:
            message = f"names the baseline {quantity.baseline!r}, which this search does not measure"
            yield message, f"{did_you_mean(str(quantity.baseline), known.baselines)}; baselines=[...] chooses"
        possible = [name for name in names if not (of_baseline and name == TRAIN_LOSS)]
        if quantity.metric not in possible and known.complete:
            message = f"names {quantity.metric!r}, which is not measured in this search"
            if of_baseline and quantity.metric == TRAIN_LOSS:
                message = f"names {quantity}, and baselines have no training loss"
            yield message, did_you_mean(quantity.metric, possible)
        front = metric_names([metric for metric in known.metrics if metric.at == "front"])[1:]
        if not of_baseline and quantity.metric in front and hypothesis.scope(bool(quantity.filters)) == "all":
            message = f"names {quantity.metric!r}, which is measured on the Pareto front alone"
            yield message, "write over: front, or give its skill `at: every`"
        for filter_ in quantity.filters:
            yield from _wrong_filter(known, filter_)


def _wrong_filter(known: _Known, filter_: Filter) -> Iterator[tuple[str, str | None]]:
    """Messages with hints about a condition on a parameter."""
    name = filter_.parameter
    if name not in known.parameters and name not in known.fixed:
        message = f"filters trials by {name!r}, which is no parameter of this space"
        yield message, did_you_mean(name, [*known.parameters, *known.fixed])
        return
    possible = _possible(known, name)
    if filter_.relation != "=" or possible is None:
        return
    for value in filter_.values:
        if not any(same(value, other) for other in possible):
            shown = ", ".join(map(str, possible))
            yield f"filters trials by {name}={value}, a value that no trial has", f"there are: {shown}"


def _possible(known: _Known, name: str) -> Sequence[Scalar] | None:
    """The values that a parameter takes; None where they are not listed."""
    parameter = known.parameters.get(name)
    if parameter is None:
        return [known.fixed[name]]
    if parameter.when is not None or isinstance(parameter, ExpressionParameter):
        return None
    if isinstance(parameter, FloatParameter) and not known.grid:
        return None
    return parameter.choices if isinstance(parameter, CategoricalParameter) else grid_values(parameter)
