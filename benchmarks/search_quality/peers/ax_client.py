"""Ax through its Client, every trial to the full budget."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import Any

from ax.api.client import Client
from ax.api.configs import ChoiceParameterConfig, RangeParameterConfig
from ax.utils.common.logger import set_ax_logger_levels

from benchmarks.search_quality.workload import Floats, Params, Workload


class AxClient:
    """A client with the strategy that Ax chooses for the space; running trials are known to it."""

    every_rung = False

    def __init__(self, workload: Workload, seed: int) -> None:
        set_ax_logger_levels(logging.ERROR)
        warnings.filterwarnings("ignore", module=r"(ax|botorch|gpytorch|linear_operator)\.")
        self._metrics = [one.metric for one in workload.objectives]
        self._client = Client(random_seed=seed)
        self._client.configure_experiment(
            [_parameter(name, spec) for name, spec in workload.parameters.items()]
        )
        signs = {"min": "-", "max": ""}
        self._client.configure_optimization(
            ", ".join(signs[one.direction] + one.metric for one in workload.objectives)
        )
        self._indices: list[int] = []

    def ask(self, trial: int) -> Params | None:
        """The client's next configuration, or None where it wants results first."""
        proposed: dict[int, Params] = self._client.get_next_trials(max_trials=1)
        self._indices.extend(proposed)
        return next(iter(proposed.values()), None)

    def report(self, trial: int, rung: int, values: Floats) -> bool:
        """Completes the trial."""
        data = dict(zip(self._metrics, values.tolist(), strict=True))
        self._client.complete_trial(self._indices[trial], raw_data=data)
        return True


def _parameter(name: str, spec: Mapping[str, Any]) -> RangeParameterConfig | ChoiceParameterConfig:
    match spec["type"]:
        case "categorical":
            choices = list(spec["choices"])
            kind = type(choices[0]).__name__
            return ChoiceParameterConfig(name=name, values=choices, parameter_type=kind)
        case kind:
            return RangeParameterConfig(
                name=name,
                bounds=(spec["low"], spec["high"]),
                parameter_type="int" if kind == "int" else "float",
                scaling="log" if kind == "log-float" else "linear",
            )
