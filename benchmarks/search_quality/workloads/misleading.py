"""Noisy curves over ZDT1 whose early values mislead, and their twin whose early values inform."""

from __future__ import annotations

import math

import numpy as np

from benchmarks.search_quality.workload import Curve, Floats, Objective, Params, Workload, score_against

_DIMENSIONS = 4
_SLOPE = 2.0  # 9 in the original, where random search finds next to nothing of the front.
_NOISE = 0.02
_WAVES = 3


class EarlyValues(Workload):
    """ZDT1 (Zitzler et al., 2000, doi:10.1162/106365600568202) with learning curves.

    With s the share of the full training at a rung, y the true objectives and m the middle of their range,
    a rung shows (1 - w) y + w b + noise, where w = 1 - sqrt(s) and the noise has a standard deviation of
    0.02 / sqrt(s). In `benign` b is the worst value plus a tenth of y: all start badly, in the right order.
    In `misleading` so does half of the configurations, in bands along the front; for the others b = 2 m - y,
    the mirror image: at the first rung the best of them look worst.

    Training takes 0.5 to 1.5 units of time per unit, by the second parameter; a measurement takes 0.2.
    """

    objectives = (Objective("f1", "min"), Objective("f2", "min"))
    rungs = (1, 3, 9)

    def __init__(self, name: str) -> None:
        self.name = name
        self.parameters = {
            f"x{index}": {"type": "float", "low": 0.0, "high": 1.0} for index in range(_DIMENSIONS)
        }
        self._worst = np.array([1.0, 1 + _SLOPE])
        first = np.linspace(0, 1, 2001)
        front = np.stack([first, 1 - np.sqrt(first)], axis=1)
        self.reference, self.best_hypervolume = score_against(front)

    def truth(self, params: Params) -> Floats:
        """ZDT1, with a gentler slope away from the front."""
        first, *others = (float(params[name]) for name in self.parameters)
        distance = 1 + _SLOPE * sum(others) / len(others)
        return np.array([first, distance * (1 - math.sqrt(first / distance))])

    def run(self, params: Params, seed: int) -> Curve:
        """A noisy curve; shape [3, 2]."""
        units = np.array(self.rungs, dtype=np.float64)
        share = (units / units[-1])[:, None]
        true = self.truth(params)
        weight = 1 - np.sqrt(share)
        noise = np.random.default_rng(seed).normal(size=(len(units), 2)) * _NOISE / np.sqrt(share)
        pace = 0.5 + float(params["x1"])
        return Curve(
            values=(1 - weight) * true + weight * self._early(params, true) + noise,
            train_costs=np.diff(units, prepend=0.0) * pace,
            eval_costs=np.full(len(units), 0.2),
        )

    def _early(self, params: Params, true: Floats) -> Floats:
        mirrored = math.sin(2 * math.pi * _WAVES * float(params["x0"])) > 0
        if self.name == "misleading" and mirrored:
            return self._worst - true
        return self._worst + 0.1 * true
