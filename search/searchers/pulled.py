"""Gaussian processes that search first where a prior expects the best values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from optuna._gp.acqf import BaseAcquisitionFunc
from optuna.distributions import FloatDistribution
from optuna.samplers import GPSampler

from search.searchers.optuna_terms import Codec
from search.searchers.prior import DOUBT, SpacePrior

_FAR = 1e3
"""Deviations from a belief at which nothing is left of its weight but doubt."""

Floats: TypeAlias = NDArray[np.float64]


class PulledGPSampler(GPSampler):
    """A Gaussian process sampler whose acquisition is weighted by a prior.

    Args:
        prior: In the space that is searched.
        codecs: Of the space's parameters, by name.
        strength: Power of the prior's weight.
        options: As of `GPSampler`.
    """

    def __init__(
        self, prior: SpacePrior, codecs: Mapping[str, Codec], strength: float, **options: Any
    ) -> None:
        super().__init__(**options)
        self._prior, self._codecs, self._strength = prior, codecs, strength

    # Optuna's own place for another optimisation of the acquisition, which it may move: constraints.txt has
    # the version that this is for.
    def _optimize_acqf(self, acqf: BaseAcquisitionFunc, best_params: Floats | None) -> Floats:
        pulled = _Pulled(acqf, self._prior, self._codecs, self._strength)
        chosen: Floats = super()._optimize_acqf(pulled, best_params)
        return chosen


class _Pulled(BaseAcquisitionFunc):
    """An acquisition function in logarithms, with the prior's weight added."""

    def __init__(
        self, acqf: BaseAcquisitionFunc, prior: SpacePrior, codecs: Mapping[str, Codec], strength: float
    ) -> None:
        super().__init__(acqf.length_scales, acqf.search_space)
        self._acqf, self._prior, self._codecs, self._strength = acqf, prior, codecs, strength
        self._names = list(acqf.search_space.get_unnormalized_param(np.zeros(acqf.search_space.dim)))
        self._cache: dict[bytes, tuple[float, float]] = {}

    def eval_acqf(self, x: torch.Tensor) -> torch.Tensor:
        """The acquisition at normalised points, shape (..., parameters)."""
        values = self._acqf.eval_acqf(x)
        name = self._prior.prior.parameter
        if name not in self._names:
            return values  # it has a condition, and is drawn by itself
        column = self._names.index(name)
        points = x.reshape(-1, x.shape[-1])
        centres, deviations = torch.from_numpy(self._beliefs(points.detach().numpy(), column)).T
        distances = (self._logarithms(points[:, column]) - centres) / deviations
        weights = torch.log((1 - DOUBT) * torch.exp(-0.5 * distances**2) + DOUBT)
        return values + self._strength * weights.reshape(values.shape)

    def _logarithms(self, normalised: torch.Tensor) -> torch.Tensor:
        """Logarithms of the parameter's values, shape (points,)."""
        codec = self._codecs[self._prior.prior.parameter]
        distribution = codec.distribution
        if isinstance(distribution, FloatDistribution):
            if distribution.log:
                low, high = np.log(distribution.low), np.log(distribution.high)
                logarithms: torch.Tensor = low + normalised * (high - low)
                return logarithms
            values = distribution.low + normalised * (distribution.high - distribution.low)
            return torch.log(values)
        decoded = [self._value(row) for row in normalised.detach().tolist()]
        return torch.log(torch.tensor(decoded, dtype=torch.float64))

    def _value(self, normalised: float) -> float:
        row = np.zeros(self.search_space.dim)
        row[self._names.index(self._prior.prior.parameter)] = normalised
        encoded = self.search_space.get_unnormalized_param(row)[self._prior.prior.parameter]
        return float(str(self._codecs[self._prior.prior.parameter].decode(encoded)))

    def _beliefs(self, points: Floats, column: int) -> Floats:
        """Logarithm of the centre, and deviation, by each point's other parameters; (points, 2)."""
        others = points.copy()
        others[:, column] = 0.0
        rows = []
        for row in others:
            key = row.tobytes()
            if key not in self._cache:
                self._cache[key] = self._believe(row)
            rows.append(self._cache[key])
        return np.array(rows)

    def _believe(self, row: Floats) -> tuple[float, float]:
        encoded = self.search_space.get_unnormalized_param(row)
        belief = self._prior.belief(
            {name: self._codecs[name].decode(value) for name, value in encoded.items()}
        )
        if belief is None:  # no trial can have these values
            return _FAR, 1.0
        return float(np.log(belief.centre)), belief.deviation
