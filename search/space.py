"""The search space: which values a trial may have, and all parameters of a trial from its sampled ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from search.config.space import (
    CategoricalParameter,
    ExpressionParameter,
    FloatParameter,
    IntParameter,
    Parameter,
    grid_count,
    grid_values,
)
from search.errors import TightropeError
from search.expressions import ExpressionError, MissingNameError, compile_expression
from search.record.events import Params, Scalar
from search.seeds import derived_seed
from trainables.nearest import nearest

SampledParameter: TypeAlias = FloatParameter | IntParameter | CategoricalParameter
Pick: TypeAlias = Callable[[str, SampledParameter], Scalar]

_MAX_GRID = 100_000


class SpaceError(TightropeError):
    """The space's declaration is wrong, or does not allow what is asked of it."""

    exit_code = 2


class SearchSpace:
    """Parameters in their declared order, with conditions, expressions and fixed values.

    A parameter is active where its condition holds. A condition or an expression that needs a
    parameter which is not active makes its own parameter not active. The trainable's default is used
    for what is not active.

    Args:
        parameters: What is searched, by name.
        fixed: Values of parameters that are not searched; conditions and expressions may use them.

    Raises:
        SpaceError: The first of `declaration_problems`.
    """

    def __init__(self, parameters: Mapping[str, Parameter], fixed: Mapping[str, Scalar]) -> None:
        for name, message, hint in declaration_problems(parameters, fixed):
            raise SpaceError(f"parameters.{name}: {message}", hint=hint)
        self.parameters = dict(parameters)
        self.fixed = dict(fixed)
        self._conditions = {
            name: compile_expression(parameter.when)
            for name, parameter in parameters.items()
            if parameter.when is not None
        }
        self._expressions = {
            name: compile_expression(parameter.value)
            for name, parameter in parameters.items()
            if isinstance(parameter, ExpressionParameter)
        }

    @property
    def sampled(self) -> dict[str, SampledParameter]:
        """The parameters that a searcher gives values to."""
        return {
            name: parameter
            for name, parameter in self.parameters.items()
            if not isinstance(parameter, ExpressionParameter)
        }

    def walk(self, pick: Pick) -> Params:
        """Asks `pick` for a value of every active parameter, in declared order.

        Returns:
            The values picked, by name; parameters that are not active are absent.

        Raises:
            ExpressionError: A condition or an expression cannot be computed for these values.
        """
        return self._evaluate(pick)[0]

    def values(self, sampled: Mapping[str, Any]) -> dict[str, Any]:
        """Sampled, computed and fixed parameters, where some sampled ones may be ranges (`search.spans`).

        Args:
            sampled: A value or a range for every sampled parameter; those that are not active are left out.

        Raises:
            MixedError: A condition does not have the same result for all numbers of a range.
            ExpressionError: A condition or an expression cannot be computed for these values.
        """
        return self._evaluate(lambda name, _: sampled[name])[1]

    def resolve(self, sampled: Mapping[str, Scalar], trial: int, seed: int) -> Params:
        """All parameters of a trial: sampled, computed and fixed ones, and its seed.

        Args:
            sampled: Values from `walk`.
            trial: Number of the trial.
            seed: Seed of the search; the trial's own `seed` is derived from both, in [0, 2**31),
                unless the space gives one.

        Raises:
            ExpressionError: An expression cannot be computed for these values.
        """
        _, values = self._evaluate(lambda name, _: sampled[name])
        params = {name: values[name] for name in [*self.parameters, *self.fixed] if name in values}
        if "seed" not in params:
            params["seed"] = derived_seed(seed, trial) % 2**31
        return params

    def uses(self, name: str) -> frozenset[str]:
        """The sampled parameters that the value of a parameter depends on, conditions included."""
        parameter = self.parameters.get(name)
        if parameter is None:
            return frozenset()
        texts = (self._conditions.get(name), self._expressions.get(name))
        names = frozenset().union(*(text.names for text in texts if text is not None))
        below = frozenset().union(*(self.uses(each) for each in names))
        return below if isinstance(parameter, ExpressionParameter) else below | {name}

    def grid(self) -> list[Params]:
        """Every combination of values, the parameter declared first varying slowest.

        Raises:
            SpaceError: A float has no `points`, or there are more than 100,000 combinations.
        """
        self._refuse_large_grid()
        values = {name: grid_values(parameter) or [] for name, parameter in self.sampled.items()}
        grid: list[Params] = []
        for point in self._combinations(values):
            grid.append(point)
            if len(grid) > _MAX_GRID:
                raise _too_large({name: len(points) for name, points in values.items()})
        return grid

    def _refuse_large_grid(self) -> None:
        """Refuses by the counts alone, before any value is made.

        Raises:
            SpaceError: A float has no `points`; or one parameter, or the combinations of those without
                a condition, are more than 100,000.
        """
        counts: dict[str, int] = {}
        for name, parameter in self.sampled.items():
            count = grid_count(parameter)
            if count is None:
                raise SpaceError(
                    f"parameters.{name} is a range of real numbers and has no points for a grid",
                    hint=f"Give parameters.{name}.points, or use another searcher.",
                )
            counts[name] = count
        always = math.prod(count for name, count in counts.items() if name not in self._conditions)
        if max([always, *counts.values()]) > _MAX_GRID:
            raise _too_large(counts)

    def _combinations(self, values: Mapping[str, list[Scalar]]) -> Iterator[Params]:
        """Counts through the choices, where each earlier choice decides which later ones there are."""
        choices: list[int] = []
        while True:
            sizes: list[int] = []

            def pick(name: str, _: SampledParameter, sizes: list[int] = sizes) -> Scalar:
                position = len(sizes)
                sizes.append(len(values[name]))
                if position == len(choices):
                    choices.append(0)
                return values[name][choices[position]]

            yield self.walk(pick)
            while choices and choices[-1] + 1 == sizes[len(choices) - 1]:
                choices.pop()
            if not choices:
                return
            choices[-1] += 1

    def contains(self, sampled: Mapping[str, Scalar]) -> str | None:
        """Why a listed point is not in the space, or None where it is."""
        known = self.sampled
        for name in sampled:
            if name not in known:
                near = nearest(name, known)
                return f"{name} is not a searched parameter" + (f"; did you mean {near[0]}?" if near else "")

        def pick(name: str, parameter: SampledParameter) -> Scalar:
            if name not in sampled:
                raise _NotContained(f"{name} is missing")
            if problem := _outside(parameter, sampled[name]):
                raise _NotContained(f"{name} {problem}")
            return sampled[name]

        try:
            active = self.walk(pick)
        except (_NotContained, ExpressionError) as error:
            return error.message
        for name in sampled:
            if name not in active:
                return f"{name} is given, but its condition `{self.parameters[name].when}` does not hold"
        return None

    def _evaluate(
        self, pick: Callable[[str, SampledParameter], Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Returns the sampled values, and these with computed and fixed ones."""
        sampled: dict[str, Any] = {}
        values: dict[str, Any] = dict(self.fixed)
        for name, parameter in self.parameters.items():
            try:
                if name in self._conditions and not self._conditions[name].over(values):
                    continue
                if isinstance(parameter, ExpressionParameter):
                    values[name] = self._expressions[name].over(values)
                    continue
            except MissingNameError:
                continue
            values[name] = sampled[name] = pick(name, parameter)
        return sampled, values


def _too_large(counts: Mapping[str, int]) -> SpaceError:
    several = sorted(
        ((name, count) for name, count in counts.items() if count > 1), key=lambda pair: -pair[1]
    )
    named = ", ".join(
        f"parameters.{name} has {f'{count:,}' if count < 10**15 else 'over 10^15'}" for name, count in several
    )
    return SpaceError(
        f"the grid has more than {_MAX_GRID:,} points: {named} values",
        hint="Give fewer points or choices, a larger step, or use another searcher.",
    )


class _NotContained(TightropeError):
    """Ends a walk through a point that is not in the space."""


def declaration_problems(
    parameters: Mapping[str, Parameter], fixed: Mapping[str, Scalar]
) -> Iterator[tuple[str, str, str | None]]:
    """Yields what is wrong with conditions and expressions.

    Yields:
        Key below `parameters` (`alpha.value`), message, and hint or None.
    """
    declared = set(fixed)
    for name, parameter in parameters.items():
        if name in fixed:
            yield name, "is both searched and fixed", f"Remove {name} from parameters or from fixed."
        for field in ("when", "value"):
            text = getattr(parameter, field, None)
            if text is None:
                continue
            try:
                names = compile_expression(text).names
            except ExpressionError as error:
                yield f"{name}.{field}", error.message, error.hint
                continue
            for unknown in sorted(names - declared):
                yield f"{name}.{field}", f"`{text}` uses {unknown!r}, {_why(unknown, parameters)}", None
        declared.add(name)


def _why(unknown: str, parameters: Mapping[str, Parameter]) -> str:
    if unknown in parameters:
        return "which must be declared before it"
    near = nearest(unknown, parameters)
    return "which the space does not declare" + (f"; did you mean {near[0]!r}?" if near else "")


def _outside(parameter: SampledParameter, value: Scalar) -> str | None:
    """Why `value` is not one of the parameter's, or None."""
    if isinstance(parameter, CategoricalParameter):
        # `1`, `1.0` and `true` are equal in Python and different here.
        if repr(value) in {repr(choice) for choice in parameter.choices}:
            return None
        return f"{value!r} is not one of {', '.join(repr(choice) for choice in parameter.choices)}"
    whole = isinstance(parameter, IntParameter)
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        return f"{value!r} is not a {'whole number' if whole else 'number'}"
    # NaN is in no range. Whole numbers may be too large for a float, which `:g` would make of them.
    if not parameter.low <= value <= parameter.high:
        low, high = (f"{end:g}" if isinstance(end, float) else end for end in (parameter.low, parameter.high))
        return f"{value!r} is outside {low} to {high}"
    if isinstance(parameter, IntParameter) and (value - parameter.low) % parameter.step:
        return f"{value!r} is not {parameter.low} plus a multiple of {parameter.step}"
    return None
