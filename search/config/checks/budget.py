"""The budget beside what shares it: batch sizes, warm-up, brackets and slots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search.config.checks import parts
from search.config.composed import Composed
from search.config.schema import BY_TRIAL, BudgetConfig
from search.config.space import CategoricalParameter, ExpressionParameter, Parameter


def check_budget(composed: Composed) -> None:
    """Lengths given twice or not at all, unequal epochs, too long a warm-up, and more brackets than rungs."""
    _check_length(composed)
    _check_epochs(composed)
    _check_warmup(composed)
    _check_brackets(composed)


def _check_length(composed: Composed) -> None:
    """Either the budget or the parameter `epochs` says how long a trial is trained."""
    spec, budget = parts.trainable(composed), _section(composed, "budget")
    if spec is None or any(composed.is_broken(("budget", name)) for name in ("steps", "epochs")):
        return
    keys = {name: key for name in ("epochs", "examples") if (key := _given(composed, name)) is not None}
    by_trial, epochs = budget.get("steps") == BY_TRIAL, keys.get("epochs")
    if by_trial and spec.trial_steps is None:
        message = f"{parts.text(composed, 'trainable')} has no parameter that says a trial's length"
        composed.complain(("budget", "steps"), message, "give a number of steps")
    elif by_trial and epochs is None:
        message = "is trial, and no parameter says how long a trial is trained"
        hint = "add fixed.epochs=3, or epochs to parameters; or give a number of steps"
        composed.complain(("budget", "steps"), message, hint)
    elif spec.trial_steps is not None and not by_trial:
        said = next((name for name in ("steps", "epochs") if budget.get(name) is not None), None)
        if said is not None and epochs is not None:
            where = f"budget.{said} is {budget[said]} ({composed.origins.of(('budget', said))})"
            message = f"gives each trial its own number of steps, and {where}"
            composed.complain(
                epochs, message, "add budget.steps=trial; rungs are then shares of a trial's steps"
            )
        elif said == "epochs" and "examples" in keys:
            where = composed.origins.of(keys["examples"])
            message = f"counts all training examples, and examples limits them ({where})"
            hint = f"give fixed.epochs={budget[said]} and budget.steps=trial, or a number of steps"
            composed.complain(("budget", "epochs"), message, hint)


def _given(composed: Composed, name: str) -> tuple[str, str] | None:
    """The key of a parameter that is searched or fixed."""
    for section in ("parameters", "fixed"):
        if _section(composed, section).get(name) is not None:
            return section, name
    return None


def _check_epochs(composed: Composed) -> None:
    """Trials are compared at the same step, so an epoch must have the same number of steps for all."""
    section = composed.data.get("budget")
    epochs = section.get("epochs") if isinstance(section, dict) else None
    parameter = parts.parameters(composed).get("batch_size")
    if epochs is None or parameter is None:
        return
    if isinstance(parameter, CategoricalParameter) and len(set(parameter.choices)) == 1:
        return
    composed.complain(
        ("budget", "epochs"),
        "gives trials of unequal batch sizes unequal numbers of steps, and batch_size is searched "
        f"({composed.origins.of(('parameters', 'batch_size'))}): trials are compared at the same step",
        "give budget.steps=N, or one batch size: parameters.batch_size=null fixed.batch_size=8",
    )


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
            "give fewer steps, or a share of the budget below 1",
        )
    if parameter is None or isinstance(parameter, ExpressionParameter):
        return
    values = getattr(parameter, "choices", None) or (getattr(parameter, "high", 0),)
    most = max((value for value in values if isinstance(value, int | float)), default=0)
    if most > steps:
        composed.complain(
            ("parameters", "warmup"),
            f"goes up to {most:g} steps, and a trial has {steps}",
            "give fewer steps, or shares of the budget below 1",
        )


def _check_brackets(composed: Composed) -> None:
    brackets = _section(composed, "scheduler").get("brackets")
    rungs = _section(composed, "budget").get("rungs", BudgetConfig.model_fields["rungs"].default)
    if type(brackets) is int and type(rungs) is int and 1 <= rungs < brackets:
        composed.complain(
            ("scheduler", "brackets"),
            f"is {brackets}, and there are {rungs} rungs; one bracket starts at each rung",
            f"give {rungs} at most",
        )


def _section(composed: Composed, name: str) -> Mapping[str, Any]:
    section = composed.data.get(name)
    return section if isinstance(section, dict) else {}


def check_workers(composed: Composed) -> None:
    """Refuses several slots where trials cannot be trained in one pass, and shards of what must be whole."""
    spec, workers = parts.trainable(composed), _section(composed, "workers")
    if spec is None:
        return
    slots, name = workers.get("slots"), parts.text(composed, "trainable")
    # `true` is an int as well, and the schema's business.
    if spec.unpacked is not None and type(slots) is int and slots > 1:
        composed.complain(
            ("workers", "slots"),
            f"is {slots}, and trials of {name} run one at a time: {spec.unpacked}",
            "write 1, or auto",
        )
    if spec.unsharded is not None and workers.get("zero_stage") == 3:
        composed.complain(
            ("workers", "zero_stage"),
            f"is 3, which shards the base's weights, and {name} needs them whole: {spec.unsharded}",
            "write 0",
        )
