"""Parameters of a workload: drawing configurations, and the nearest one of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# Farther than any difference within the other parameters of the spaces used here.
_MISMATCH = 100.0


def draw(
    parameters: Mapping[str, Mapping[str, Any]], generator: np.random.Generator
) -> dict[str, bool | int | float | str]:
    """Draws each parameter uniformly, `log-float` ones uniformly in the logarithm."""
    return {name: _draw(spec, generator) for name, spec in parameters.items()}


def _draw(spec: Mapping[str, Any], generator: np.random.Generator) -> bool | int | float | str:
    match spec["type"]:
        case "float":
            return float(generator.uniform(spec["low"], spec["high"]))
        case "log-float":
            power = generator.uniform(math.log(spec["low"]), math.log(spec["high"]))
            return float(min(max(math.exp(power), spec["low"]), spec["high"]))
        case "int":
            return int(generator.integers(spec["low"], spec["high"], endpoint=True))
        case _:
            choices: Sequence[bool | int | float | str] = spec["choices"]
            return choices[int(generator.integers(len(choices)))]


class Nearest:
    """Finds the configuration of a table that is nearest to a proposed one.

    Distances are taken on the unit interval of each parameter, for `log-float` ones that of its logarithm; a
    categorical one has to agree.
    """

    def __init__(
        self, parameters: Mapping[str, Mapping[str, Any]], candidates: Sequence[Mapping[str, Any]]
    ) -> None:
        self._parameters = parameters
        self._table = np.array([self._place(candidate) for candidate in candidates])

    def index(self, params: Mapping[str, Any]) -> int:
        """Index of the nearest candidate, the first of several."""
        distances = np.abs(self._table - np.array(self._place(params))).sum(axis=1)
        return int(distances.argmin())

    def _place(self, params: Mapping[str, Any]) -> list[float]:
        return [_place(spec, params[name]) for name, spec in self._parameters.items()]


def _place(spec: Mapping[str, Any], value: Any) -> float:
    match spec["type"]:
        case "categorical":
            return _MISMATCH * list(spec["choices"]).index(value)
        case "log-float":
            low, high = math.log(spec["low"]), math.log(spec["high"])
            return (math.log(value) - low) / (high - low)
        case _:
            return float((value - spec["low"]) / (spec["high"] - spec["low"]))
