"""Numbers that are valid by themselves, and make no sense beside the others."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from search.config.checks import parts
from search.config.checks.objectives import RANGES, asked_of
from search.config.compose import Composed
from search.config.schema import BudgetConfig, ObjectiveConfig
from search.config.space import ExpressionParameter, IntParameter, Parameter
from trainables.evaluation.metrics import METRICS


def check_bounds(composed: Composed) -> None:
    """Floors and ceilings that the metric cannot reach, steps wider than their range, endless warm-ups."""
    ranges = _ranges(composed)
    for index, objective in parts.objectives(composed).items():
        if objective.metric in ranges:
            _check_reach(composed, index, objective, *ranges[objective.metric])
    for name, parameter in parts.parameters(composed).items():
        if isinstance(parameter, IntParameter) and parameter.step > parameter.high - parameter.low > 0:
            composed.complain(
                ("parameters", name, "step"),
                f"is {parameter.step}, which from {parameter.low} leads past {parameter.high} at once",
                "give a smaller step, or fix the parameter",
            )
    _check_warmup(composed)
    _check_brackets(composed)


def _ranges(composed: Composed) -> Mapping[str, tuple[float, float]]:
    """The least and the greatest value of every metric that there is."""
    asked = asked_of(composed, list(parts.skills(composed).values()))
    found = dict(RANGES)
    for metric in METRICS:
        found |= dict.fromkeys(METRICS[metric].names(asked), (METRICS[metric].low, METRICS[metric].high))
    return found


def _check_reach(composed: Composed, index: int, objective: ObjectiveConfig, low: float, high: float) -> None:
    """A bound outside the metric's range is kept by every trial or by none."""
    for name, bound in (("floor", objective.floor), ("ceiling", objective.ceiling)):
        if bound is None or low <= bound <= high:
            continue
        metric = objective.metric
        reach = f"from {low:g} to {high:g}" if math.isfinite(high) else f"at least {low:g}"
        message = f"is {bound:g}, and {metric} is {reach}"
        if metric == "retention" and bound > high:
            message = f"is {bound:g}, and 1 is all that the base model could do"
        percent = high == 1 and 2 < bound <= 100
        hint = f"{bound:g}% is {bound / 100:g}" if percent else f"give a {name} {reach}"
        composed.complain(("objectives", index, name), message, hint)


def _check_warmup(composed: Composed) -> None:
    """A warm-up of more steps than the budget never reaches the learning rate that is searched."""
    steps = _section(composed, "budget").get("steps")
    if type(steps) is not int:
        return
    fixed = parts.fixed(composed).get("warmup")
    parameter: Parameter | None = parts.parameters(composed).get("warmup")
    if isinstance(fixed, int | float) and fixed > steps:
        composed.complain(
            ("fixed", "warmup"),
            f"is {fixed:g} steps, and a trial has {steps}",
            "give fewer, or a share of the budget below 1",
        )
    if parameter is None or isinstance(parameter, ExpressionParameter):
        return
    values = getattr(parameter, "choices", None) or (getattr(parameter, "high", 0),)
    most = max((value for value in values if isinstance(value, int | float)), default=0)
    if most > steps:
        composed.complain(
            ("parameters", "warmup"),
            f"goes up to {most:g} steps, and a trial has {steps}",
            "give fewer, or shares of the budget below 1",
        )


def _check_brackets(composed: Composed) -> None:
    brackets = _section(composed, "scheduler").get("brackets")
    rungs = _section(composed, "budget").get("rungs", BudgetConfig.model_fields["rungs"].default)
    if type(brackets) is int and type(rungs) is int and 1 <= rungs < brackets:
        composed.complain(
            ("scheduler", "brackets"),
            f"is {brackets}, and there are {rungs} rungs, at each of which one bracket begins",
            f"give {rungs} at most",
        )


def _section(composed: Composed, name: str) -> Mapping[str, Any]:
    section = composed.data.get(name)
    return section if isinstance(section, dict) else {}
