"""What a search is tried on: parameters, objectives, and what training a configuration yields and costs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import moocore
import numpy as np
from numpy.typing import NDArray

from benchmarks.search_quality.parameters import draw

Value: TypeAlias = bool | int | float | str
Params: TypeAlias = Mapping[str, Value]
Floats: TypeAlias = NDArray[np.float64]
_SAMPLED_FOR_COST = 256


@dataclass(frozen=True)
class Objective:
    """A metric and whether less or more of it is better."""

    metric: str
    direction: Literal["min", "max"]


@dataclass(frozen=True)
class Curve:
    """What one run of a configuration measures at each rung, and what that costs.

    Attributes:
        values: Observed objectives, in their own directions; shape [rungs, objectives].
        train_costs: Cost of training from the rung before to this one; shape [rungs].
        eval_costs: Cost of the measurement at each rung; shape [rungs].
    """

    values: Floats
    train_costs: Floats
    eval_costs: Floats

    @property
    def costs(self) -> Floats:
        """Cumulative cost of a run that is measured at every rung; shape [rungs]."""
        costs: Floats = np.cumsum(self.train_costs + self.eval_costs)
        return costs

    @property
    def unbroken_cost(self) -> float:
        """Cost of a run that is measured at the last rung alone."""
        return float(self.train_costs.sum() + self.eval_costs[-1])


class Workload(ABC):
    """A search problem with several objectives, and with learning curves where it has several rungs.

    Attributes:
        name: Name in the registry.
        parameters: Name to specification, in the form of a search space's `parameters` in YAML; types
            `float`, `log-float`, `int` and `categorical`.
        objectives: What is searched for.
        rungs: Units of training at each rung, ascending.
        candidates: The configurations that a table holds, or None where any configuration can be run.
            Others are run as the candidate nearest to them.
        reference: Reference point of the hypervolume, all objectives minimised; shape [objectives].
        best_hypervolume: Hypervolume of the true front.
    """

    name: str
    parameters: Mapping[str, Mapping[str, Any]]
    objectives: tuple[Objective, ...]
    rungs: tuple[int, ...]
    candidates: Sequence[Params] | None = None
    reference: Floats
    best_hypervolume: float

    @abstractmethod
    def run(self, params: Params, seed: int) -> Curve:
        """Trains a configuration to the last rung; equal arguments give equal curves."""

    @abstractmethod
    def truth(self, params: Params) -> Floats:
        """Objectives at the last rung without noise, in their own directions; shape [objectives]."""

    def minimised(self, values: Floats) -> Floats:
        """Turns objectives (shape [..., objectives]) so that less is better in each."""
        signs: Floats = np.array([1.0 if one.direction == "min" else -1.0 for one in self.objectives])
        return values * signs

    def hypervolume(self, configurations: Iterable[Params]) -> float:
        """Hypervolume that the true objectives of some configurations dominate."""
        truths = [self.minimised(self.truth(params)) for params in configurations]
        return float(moocore.hypervolume(np.stack(truths), ref=self.reference)) if truths else 0.0

    def share(self, configurations: Iterable[Params]) -> float:
        """The same as a share of the best possible, from 0 to 1."""
        return self.hypervolume(configurations) / self.best_hypervolume

    @property
    def full_cost(self) -> float:
        """Mean cost of a run that is measured at the last rung alone, over the table or 256 draws."""
        return float(np.mean([curve.unbroken_cost for curve in self._sample]))

    @property
    def eval_cost(self) -> float:
        """Mean cost of a measurement at the last rung, likewise."""
        return float(np.mean([curve.eval_costs[-1] for curve in self._sample]))

    @cached_property
    def _sample(self) -> Sequence[Curve]:
        generator = np.random.default_rng(0)
        drawn = [draw(self.parameters, generator) for _ in range(_SAMPLED_FOR_COST)]
        return [self.run(params, 0) for params in (drawn if self.candidates is None else self.candidates)]


def score_against(front: Floats) -> tuple[Floats, float]:
    """Reference point and hypervolume of a true front.

    The reference point is the front's worst value in each objective and a tenth of the front's extent more
    (Ishibuchi et al., 2018, doi:10.1162/evco_a_00226).

    Args:
        front: Objectives of the best configurations, minimised; shape [points, objectives]. Dominated points
            among them do no harm.

    Returns:
        The reference point, shape [objectives], and the hypervolume.
    """
    front = moocore.filter_dominated(front)
    worst = front.max(axis=0)
    reference: Floats = worst + 0.1 * (worst - front.min(axis=0))
    return reference, float(moocore.hypervolume(front, ref=reference))
