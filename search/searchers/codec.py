"""Parameters of a space as Optuna's."""

from __future__ import annotations

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from search.config.space import CategoricalParameter, IntParameter
from search.record.events import Scalar
from search.space import SampledParameter


class Codec:
    """A parameter's Optuna distribution, and its values there and back.

    Attributes:
        distribution: Optuna compares choices with ==, under which 1, 1.0 and True are the same; so
            a category is its index.
    """

    def __init__(self, parameter: SampledParameter) -> None:
        self._choices: tuple[Scalar, ...] | None = None
        self._index: dict[str, int] = {}
        self.distribution: BaseDistribution
        if isinstance(parameter, CategoricalParameter):
            self._choices = parameter.choices
            self._index = {repr(choice): index for index, choice in enumerate(parameter.choices)}
            self.distribution = CategoricalDistribution(tuple(range(len(parameter.choices))))
        elif isinstance(parameter, IntParameter):
            high = parameter.high - (parameter.high - parameter.low) % parameter.step
            self.distribution = IntDistribution(parameter.low, high, step=parameter.step)
        else:
            self.distribution = FloatDistribution(
                parameter.low, parameter.high, log=parameter.type == "log-float"
            )

    def encode(self, value: Scalar) -> Scalar:
        """A value as Optuna holds it."""
        return value if self._choices is None else self._index[repr(value)]

    def suggest(self, trial: optuna.Trial, name: str) -> Scalar:
        """The value that an Optuna trial suggests."""
        match self.distribution:
            case FloatDistribution(low=low, high=high, log=log):
                return trial.suggest_float(name, low, high, log=log)
            case IntDistribution(low=low, high=high, step=step):
                return trial.suggest_int(name, low, high, step=step)
        choices = self._choices or ()
        return choices[trial.suggest_categorical(name, range(len(choices)))]
