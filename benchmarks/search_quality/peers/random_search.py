"""Random search, every trial to the full budget."""

from __future__ import annotations

import numpy as np

from benchmarks.search_quality.parameters import draw
from benchmarks.search_quality.workload import Floats, Params, Workload


class RandomSearch:
    """Draws every parameter independently."""

    every_rung = False

    def __init__(self, workload: Workload, seed: int) -> None:
        self._parameters = workload.parameters
        self._generator = np.random.default_rng(seed)

    def ask(self, trial: int) -> Params:
        """A new configuration."""
        return draw(self._parameters, self._generator)

    def report(self, trial: int, rung: int, values: Floats) -> bool:
        """Learns nothing."""
        return True
