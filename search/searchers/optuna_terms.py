"""Spaces, known trials and samplers in Optuna's terms."""

from __future__ import annotations

import warnings
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from search.config.schema import ObjectiveConfig
from search.config.space import CategoricalParameter, IntParameter
from search.record.events import Scalar
from search.space import SampledParameter, SearchSpace


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

    def decode(self, value: Any) -> Scalar:
        """A value as Optuna holds it, as the space has it."""
        if self._choices is not None:
            return self._choices[int(value)]
        return int(value) if isinstance(self.distribution, IntDistribution) else float(value)

    def suggest(self, trial: optuna.Trial, name: str) -> Scalar:
        """The value that an Optuna trial suggests."""
        match self.distribution:
            case FloatDistribution(low=low, high=high, log=log):
                return trial.suggest_float(name, low, high, log=log)
            case IntDistribution(low=low, high=high, step=step):
                return trial.suggest_int(name, low, high, step=step)
        choices = self._choices or ()
        return choices[trial.suggest_categorical(name, range(len(choices)))]


class _KnownFirst(InMemoryStorage):
    """Answers with the known trials before its own, without copying them."""

    def __init__(self, known: Sequence[FrozenTrial]) -> None:
        super().__init__()
        self._known = list(known)

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """The known trials, then those asked for, in these states."""
        known = [trial for trial in self._known if states is None or trial.state in states]
        return known + super().get_all_trials(study_id, deepcopy, states)


def directions(objectives: Sequence[ObjectiveConfig]) -> list[StudyDirection]:
    """Optuna's names of the objectives' directions."""
    return [
        StudyDirection.MINIMIZE if objective.direction == "min" else StudyDirection.MAXIMIZE
        for objective in objectives
    ]


def make_study(
    objectives: Sequence[ObjectiveConfig], sampler: BaseSampler, known: Sequence[FrozenTrial]
) -> optuna.Study:
    """A study in memory that holds the known trials.

    Args:
        objectives: As configured.
        sampler: Answers when the study is asked.
        known: Trials that are not changed any more, by their numbers, which begin at 1: the study gives 0
            to the trial that is asked for.
    """
    return optuna.create_study(storage=_KnownFirst(known), directions=directions(objectives), sampler=sampler)


@contextmanager
def experimental() -> Iterator[None]:
    """For options that Optuna warns of as experimental."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ExperimentalWarning)
        yield


def tpe_sampler(space: SearchSpace, seed: int) -> TPESampler:
    """TPE that models the parameters jointly, per group of conditions, and keeps off running trials."""
    # Finding the groups takes most of a proposal's time; without conditions there is only one.
    group = any(parameter.when is not None for parameter in space.parameters.values())
    with experimental():
        # The random start-up is the searcher's own.
        return TPESampler(seed=seed, multivariate=True, group=group, constant_liar=True, n_startup_trials=0)


def gp_sampler(space: SearchSpace, seed: int) -> GPSampler:
    """Gaussian processes over the parameters that all trials have; TPE for those with a condition."""
    return GPSampler(**gp_options(space, seed))


def gp_options(space: SearchSpace, seed: int) -> dict[str, Any]:
    """What a sampler with Gaussian processes is given."""
    return {
        "seed": seed,
        "independent_sampler": tpe_sampler(space, seed),
        "n_startup_trials": 0,
        "warn_independent_sampling": False,
    }
