"""NePS's MOASHA, through its ask-and-tell interface."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import neps
import numpy as np
import torch
from neps.optimizers.algorithms import moasha

from benchmarks.search_quality.workload import Floats, Params, Workload

_FIDELITY = "units"


class NepsMoasha:
    """Promotes: a configuration waits at its rung until it is asked for at the next."""

    every_rung = True

    def __init__(self, workload: Workload, seed: int) -> None:
        logging.getLogger("neps").setLevel(logging.ERROR)
        # It draws from the global generators.
        np.random.seed(seed)
        torch.manual_seed(seed)
        self._workload = workload
        first, *_, last = (*workload.rungs, workload.rungs[-1])
        eta = round(workload.rungs[1] / first) if len(workload.rungs) > 1 else 3
        space = {name: _parameter(spec) for name, spec in workload.parameters.items()}
        space[_FIDELITY] = neps.HPOInteger(first, last, is_fidelity=True)
        self._search = neps.AskAndTell(moasha(neps.SearchSpace(space), eta=eta))
        self._numbers: dict[str, int] = {}
        self._asked: dict[int, Any] = {}

    def ask(self, trial: int) -> Params | int | None:
        """A new configuration, the number of one to promote, or None where it cannot say yet."""
        try:
            asked = self._search.ask()
        except ValueError:
            # NePS 0.17 fails to choose from a rung where nothing but running trials is left.
            return None
        configuration = asked.id.split("_")[0]  # its ids are configuration_rung
        number = self._numbers.setdefault(configuration, trial)
        self._asked[number] = asked
        if number != trial:
            return number
        return {name: value for name, value in asked.config.items() if name != _FIDELITY}

    def report(self, trial: int, rung: int, values: Floats) -> bool:
        """Tells minimised objectives; the trial then waits."""
        self._search.tell(
            self._asked[trial], {"objective_to_minimize": self._workload.minimised(values).tolist()}
        )
        return False


def _parameter(spec: Mapping[str, Any]) -> Any:
    match spec["type"]:
        case "categorical":
            return neps.HPOCategorical(list(spec["choices"]))
        case "int":
            return neps.HPOInteger(spec["low"], spec["high"])
        case kind:
            return neps.HPOFloat(spec["low"], spec["high"], log=kind == "log-float")
