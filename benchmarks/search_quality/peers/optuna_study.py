"""Optuna's samplers with several objectives, every trial to the full budget."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, TPESampler

from benchmarks.search_quality.workload import Floats, Params, Workload

_SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(seed=seed),
    "tpe-multivariate": lambda seed: TPESampler(seed=seed, multivariate=True),
    "gp": lambda seed: GPSampler(seed=seed),
    "nsga2": lambda seed: NSGAIISampler(seed=seed),
}


def distribution(spec: Mapping[str, Any]) -> BaseDistribution:
    """A parameter in Optuna's terms."""
    match spec["type"]:
        case "categorical":
            return CategoricalDistribution(spec["choices"])
        case "int":
            return IntDistribution(spec["low"], spec["high"])
        case _:
            return FloatDistribution(spec["low"], spec["high"], log=spec["type"] == "log-float")


class OptunaStudy:
    """A study driven by ask and tell; running trials are in it as running."""

    every_rung = False

    def __init__(self, sampler: str, workload: Workload, seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        self._study = optuna.create_study(
            directions=["minimize" if one.direction == "min" else "maximize" for one in workload.objectives],
            sampler=_SAMPLERS[sampler](seed),
        )
        self._space = {name: distribution(spec) for name, spec in workload.parameters.items()}

    def ask(self, trial: int) -> Params:
        """The sampler's next configuration; Optuna numbers trials in the same order."""
        params: Params = self._study.ask(self._space).params
        return params

    def report(self, trial: int, rung: int, values: Floats) -> bool:
        """Tells the study."""
        self._study.tell(trial, values.tolist())
        return True
