"""Botorch's test functions with two objectives and a fidelity, as learning curves."""

from __future__ import annotations

import moocore
import numpy as np
import torch
from botorch.test_functions.multi_objective_multi_fidelity import MOMFBraninCurrin, MOMFPark

from benchmarks.search_quality.workload import Curve, Floats, Objective, Params, Workload

_FUNCTIONS = {"momf-branin-currin": MOMFBraninCurrin, "momf-park": MOMFPark}
_NOISE = 0.01
_FIRST_POINTS = 2**16
_MORE_POINTS = 2**14
_STEPS = (0.1, 0.03, 0.01, 0.003, 0.001)


class MultiFidelityFunction(Workload):
    """A function of Irshad et al. (2021, arXiv:2112.13901), whose last argument is the fidelity.

    Rungs lie at fidelities 1/9, 1/3 and 1; cost is proportional to fidelity. Noise with a standard deviation
    of 0.01 is added to what is observed. The reference point is the package's own. Its best hypervolume is
    not used: for one function it counts points of lower fidelity, for the other more can be reached.
    """

    objectives = (Objective("f1", "max"), Objective("f2", "max"))
    rungs = (1, 3, 9)

    def __init__(self, name: str) -> None:
        self.name = name
        # With negate=True the functions are maximised, as the package's reference point and maximum are.
        self._function = _FUNCTIONS[name](negate=True)
        self.parameters = {
            f"x{index}": {"type": "float", "low": 0.0, "high": 1.0} for index in range(self._function.dim - 1)
        }
        self.reference = -self._function.ref_point.numpy().astype(np.float64)
        self.best_hypervolume = float(moocore.hypervolume(self._front(), ref=self.reference))

    def truth(self, params: Params) -> Floats:
        """The function at fidelity 1."""
        truth: Floats = self._at(params, [1.0])[0]
        return truth

    def run(self, params: Params, seed: int) -> Curve:
        """The function at each rung's fidelity, with noise; shape [3, 2]."""
        units = np.array(self.rungs, dtype=np.float64)
        exact = self._at(params, [unit / units[-1] for unit in units])
        noise = np.random.default_rng(seed).normal(scale=_NOISE, size=exact.shape)
        return Curve(
            values=exact + noise,
            train_costs=np.diff(units, prepend=0.0),
            eval_costs=np.zeros(len(units)),
        )

    def _front(self) -> Floats:
        """The true front, minimised: the best of many points, refined by ever smaller steps around it."""
        dimensions = len(self.parameters)
        generator = np.random.default_rng(0)
        points = generator.uniform(size=(_FIRST_POINTS, dimensions))
        for scale in _STEPS:
            values = self._minima(points)
            best = moocore.is_nondominated(values)
            points, values = points[best], values[best]
            parents = points[generator.integers(len(points), size=_MORE_POINTS)]
            steps = generator.normal(scale=scale, size=parents.shape)
            points = np.concatenate([points, np.clip(parents + steps, 0, 1)])
        front: Floats = moocore.filter_dominated(self._minima(points))
        return front

    def _minima(self, points: Floats) -> Floats:
        full = np.concatenate([points, np.ones((len(points), 1))], axis=1)
        values: Floats = -self._function(torch.from_numpy(full)).numpy()
        return values

    def _at(self, params: Params, fidelities: list[float]) -> Floats:
        """The function at several fidelities; shape [fidelities, 2]."""
        point = [float(params[name]) for name in self.parameters]
        points = torch.tensor([[*point, fidelity] for fidelity in fidelities], dtype=torch.float64)
        values: Floats = self._function(points).numpy()
        return values
