"""A trainable's published knowledge, in a search space: the first trials, and where the model looks first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import ValidationError

from search.config.schema import NO_PRIOR, SearchConfig
from search.config.space import CategoricalParameter, IntParameter
from search.expressions import ExpressionError
from search.record.events import Params, Scalar
from search.searchers.base import point_key
from search.searchers.draw import quantile
from search.seeds import derived_share
from search.space import SampledParameter, SearchSpace
from trainables.prior import Belief, Prior
from trainables.specs import TRAINABLES

if TYPE_CHECKING:
    from pydantic import BaseModel

PULL = 1.0
"""Strength of the prior, in finished trials: its logarithm counts as much as PULL / n of theirs."""

DOUBT = 0.1
"""Weight of the possibility that the prior is wrong, relative to its densest point."""

_GOLDEN = (math.sqrt(5) - 1) / 2
_MOST_CACHED = 4096


class SpacePrior:
    """A prior over one parameter of a space.

    The first trials are multiples of the believed best value, with large models of what they train and the
    other parameters spread out. Then the model's acquisition is weighted by the prior to a power that fades
    with the finished trials (piBO: Hvarfner et al., 2022, arXiv:2204.11051); a mixture with a constant bounds
    what a wrong prior can cost.

    Args:
        prior: The trainable's.
        config: Objectives, budget, seed and the trainable's options are used.
        space: In which the prior's parameter is searched.
    """

    def __init__(self, prior: Prior, config: SearchConfig, space: SearchSpace) -> None:
        self.prior = prior
        self._space = space
        self._seed = config.seed
        self._objectives = len(config.objectives)
        steps = config.budget.steps
        self._steps = steps if isinstance(steps, int) else None
        self._options = config.options
        self._model: type[BaseModel] = TRAINABLES[config.trainable].parameters
        self._cache: dict[object, Belief | None] = {}

    @property
    def parameter(self) -> SampledParameter:
        """The parameter that the prior is about."""
        return self._space.sampled[self.prior.parameter]

    def first(self) -> list[Params]:
        """The points to begin with, the believed best one first; each once.

        Raises:
            ExpressionError: An expression of the space cannot be computed for one of them.
        """
        points: dict[object, Params] = {}
        for index, factor in enumerate(self.prior.factors):
            point = self._point(index, factor)
            if point is not None:
                points.setdefault(point_key(point), point)
        return list(points.values())

    def expected(self) -> Belief | None:
        """What is believed of the best value for the other parameters of the first of these points.

        Raises:
            ExpressionError: As of `first`.
        """
        return self.belief(self._spread(0))

    def belief(self, sampled: Mapping[str, Scalar]) -> Belief | None:
        """What is believed of the parameter given the others; None where they make no trial.

        Others that are missing count at their median: samplers leave out those that have a condition.
        """
        others = {name: value for name, value in sampled.items() if name != self.prior.parameter}
        key = point_key(others)
        if key not in self._cache:
            if len(self._cache) >= _MOST_CACHED:
                self._cache.clear()
            self._cache[key] = self._believe(others)
        return self._cache[key]

    def _believe(self, others: Params) -> Belief | None:
        try:
            point = self._space.walk(lambda name, parameter: others.get(name, quantile(parameter, 0.5)))
            params = self._model.model_validate(self._space.resolve(point, 0, self._seed))
        except (ExpressionError, ValidationError):
            return None
        return self.prior.believe(self._options, params, self._steps, self._objectives)

    def _spread(self, index: int) -> Params:
        """The point of this number: large where the prior says so, else spread out."""

        def pick(name: str, parameter: SampledParameter) -> Scalar:
            if name in self.prior.largest and (largest := _largest(parameter)) is not None:
                return largest
            return quantile(parameter, (derived_share(self._seed, "prior", name) + index * _GOLDEN) % 1)

        return self._space.walk(pick)

    def _point(self, index: int, factor: float) -> Params | None:
        point = self._spread(index)
        belief = self.belief(point)
        if belief is None or self.prior.parameter not in point:
            return None
        value = belief.centre * factor
        low, high = _ends(self.parameter)
        if max(math.log(low / value), math.log(value / high)) > belief.deviation:
            return None  # bounds far from what is believed say that the user knows otherwise
        return self._with_value(point, _nearest(self.parameter, value))

    def _with_value(self, point: Params, value: Scalar) -> Params:
        """The point with another value of the parameter; the median of what becomes active by it."""
        changed = point | {self.prior.parameter: value}
        return self._space.walk(lambda name, parameter: changed.get(name, quantile(parameter, 0.5)))


def space_prior(config: SearchConfig, space: SearchSpace) -> SpacePrior | None:
    """The configured prior in the space; None where there is none."""
    prior = TRAINABLES[config.trainable].prior
    if config.prior == NO_PRIOR or prior is None:
        return None
    return SpacePrior(prior, config, space)


def positive_choices(parameter: CategoricalParameter) -> list[int | float]:
    """Its choices, where all of them are numbers above 0; else none."""
    numbers = [
        choice
        for choice in parameter.choices
        if isinstance(choice, int | float) and not isinstance(choice, bool) and choice > 0
    ]
    return numbers if len(numbers) == len(parameter.choices) else []


def _ends(parameter: SampledParameter) -> tuple[float, float]:
    if isinstance(parameter, CategoricalParameter):
        choices = positive_choices(parameter)
        return min(choices), max(choices)
    return max(parameter.low, math.ulp(0.0)), parameter.high


def _largest(parameter: SampledParameter) -> Scalar:
    """The largest value; None where not all are numbers."""
    if isinstance(parameter, CategoricalParameter):
        return max(positive_choices(parameter), default=None)
    if isinstance(parameter, IntParameter):
        return parameter.high - (parameter.high - parameter.low) % parameter.step
    return parameter.high


def _nearest(parameter: SampledParameter, value: float) -> Scalar:
    """The parameter's value nearest to one above 0, by logarithm."""
    if isinstance(parameter, CategoricalParameter):
        return min(positive_choices(parameter), key=lambda choice: abs(math.log(choice / value)))
    within = min(max(value, parameter.low), parameter.high)
    if isinstance(parameter, IntParameter):
        below = parameter.low + parameter.step * int((within - parameter.low) / parameter.step)
        near = [each for each in (below, below + parameter.step) if 0 < each <= parameter.high]
        return min(near, key=lambda each: abs(math.log(each / value)), default=below)
    return float(within)
