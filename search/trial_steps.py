"""Trials that have their own numbers of steps: what they are, and which points of the space have none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import NamedTuple

from pydantic import ValidationError

from search.config.schema import BudgetConfig, SearchConfig
from search.config.space import CategoricalParameter
from search.config.wording import config_error
from search.errors import Problem
from search.expressions import ExpressionError
from search.record.events import Params, Scalar
from search.searchers.draw import draw
from search.space import SampledParameter, SearchSpace
from trainables.errors import UserError, WrongParameterError
from trainables.settings import LARGEST
from trainables.specs import TRAINABLES

DRAWN = 1000
"""Points of the space that are looked at; a share of them has a 95% interval of 3 points at most."""

LENGTHS = ("examples", "epochs", "batch_size")
"""Parameters on which a trial's length depends."""


@dataclass(frozen=True)
class TrialSteps:
    """The numbers of steps of a search's trials.

    Attributes:
        of: A trial's steps by all its parameters; raises `UserError` where it cannot be trained.
        least: Of any trial, by the ends of the parameters' ranges and the points that were drawn.
        most: Likewise.
        mean: Over the points that were drawn.
    """

    of: Callable[[Params], int]
    least: int
    most: int
    mean: float

    @property
    def sentence(self) -> str:
        """The same for people."""
        span = f"{self.least:,}" if self.least == self.most else f"{self.least:,} to {self.most:,}"
        return (
            f"a trial has its own number of steps, by its epochs, examples and batch size: {span}, "
            f"{self.mean:,.0f} on average"
        )


def trial_steps(config: SearchConfig) -> TrialSteps:
    """Reads the training data, and counts the steps of points of the space.

    Raises:
        ConfigError: The data cannot be read, or at some of the points no trial can be trained.
    """
    spec = TRAINABLES[config.trainable]
    assert spec.trial_steps is not None  # checked with the configuration
    try:
        count = spec.trial_steps(config.options, config.seed)
    except UserError as error:
        message = f"the training examples cannot be counted: {error.message}"
        raise config_error([Problem("budget.steps", message, "the training data", error.hint)]) from error

    def of(params: Params) -> int:
        steps = count(spec.parameters.model_validate(params))
        _refuse_unfit(steps, config.budget)
        return steps

    space = SearchSpace(config.parameters, config.fixed)
    drawn = _Counted([], [])
    ends = _Counted([], [])
    for points, counted in ((_drawn(config, space), drawn), (_ends(config, space), ends)):
        for params in points:
            try:
                counted.steps.append(of(params))
            except WrongParameterError as error:
                counted.refused.append(error)
            except ValidationError:
                continue  # the checks of the space speak of it
    _refuse(config, drawn, ends)
    listed = [*_listed(config, space, of)]
    every = [*drawn.steps, *ends.steps, *listed]
    return TrialSteps(of, min(every), max(every), sum(drawn.steps) / len(drawn.steps))


class _Counted(NamedTuple):
    """Steps of the points that can be trained, and why the others cannot."""

    steps: list[int]
    refused: list[WrongParameterError]


def _refuse_unfit(steps: int, budget: BudgetConfig) -> None:
    if steps > LARGEST:
        raise WrongParameterError("epochs", f"{steps:,} steps are more than the maximum, {LARGEST:,}")
    if steps < budget.least_steps:
        raise WrongParameterError(
            "epochs",
            f"{steps} steps have no room for {budget.rungs} rungs with eta {budget.eta}, which need "
            f"{budget.least_steps}",
            "Raise the lowest epochs or examples, or give fewer rungs (budget.rungs).",
        )


def _drawn(config: SearchConfig, space: SearchSpace) -> Iterator[Params]:
    for number in range(DRAWN):
        try:
            yield space.resolve(draw(space, config.seed, number), number, config.seed)
        except ExpressionError:
            continue


def _ends(config: SearchConfig, space: SearchSpace) -> Iterator[Params]:
    """Both ends of what a trial's length depends on, in all combinations."""
    searched = [name for name in LENGTHS if name in space.sampled]
    for high in product((False, True), repeat=len(searched)):
        above = {name for name, up in zip(searched, high, strict=True) if up}
        try:
            yield space.resolve(space.walk(partial(_end, above)), 0, config.seed)
        except ExpressionError:
            continue


def _end(above: set[str], name: str, parameter: SampledParameter) -> Scalar:
    high = name in above
    if not isinstance(parameter, CategoricalParameter):
        return parameter.high if high else parameter.low
    numbers = [choice for choice in parameter.choices if isinstance(choice, int | float)]
    return (max if high else min)(numbers) if len(numbers) == len(parameter.choices) else parameter.choices[0]


def _refuse(config: SearchConfig, drawn: _Counted, ends: _Counted) -> None:
    """Names each parameter that rules points out, with the share of the space and an example.

    Raises:
        ConfigError: There is one.
    """
    by_parameter: dict[str, list[WrongParameterError]] = {}
    for error in (*drawn.refused, *ends.refused):
        by_parameter.setdefault(error.parameter, []).append(error)
    problems = []
    for name, errors in by_parameter.items():
        share = sum(error.parameter == name for error in drawn.refused) / DRAWN
        where = _share(share)
        section = "parameters" if name in config.parameters else "fixed"
        message = f"{where}, {errors[0].message}"
        problems.append(Problem(f"{section}.{name}", message, f"{DRAWN:,} points drawn", errors[0].hint))
    if problems:
        raise config_error(problems)
    if not drawn.steps:
        message = "no point of the space can be trained"
        raise config_error([Problem("parameters", message, f"{DRAWN:,} points drawn")])


def _share(share: float) -> str:
    if share == 1:
        return "everywhere"
    if share < 0.005:
        return "in under 1% of the space" if share else "at an end of the ranges"
    return f"in {share:.0%} of the space"


def _listed(config: SearchConfig, space: SearchSpace, of: Callable[[Params], int]) -> Iterator[int]:
    """Steps of the listed points.

    Raises:
        ConfigError: One of them cannot be trained.
    """
    for number, point in enumerate(config.points):
        try:
            yield of(space.resolve(point, number, config.seed))
        except WrongParameterError as error:
            key = f"points.{number}"
            raise config_error([Problem(key, error.message, "the training data", error.hint)]) from error
