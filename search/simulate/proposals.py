"""Searchers that propose only what has been recorded."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from search.config.space import CategoricalParameter
from search.record import WarmStarted
from search.record.events import Origin, Params, Scalar
from search.searchers import Proposal, Searcher
from search.searchers.base import TrialOutcome
from search.space import SampledParameter, SearchSpace


class AsRecorded:
    """Proposes recorded configurations, each once.

    Args:
        points: Their sampled values, in the recorded order.
        shuffle: Seed of another order, drawn at random; None keeps the recorded one.
    """

    def __init__(self, points: Sequence[Params], shuffle: int | None = None) -> None:
        self._points = list(points)
        if shuffle is not None:
            random.Random(shuffle).shuffle(self._points)

    def propose(self, number: int) -> Proposal | None:
        """The configuration with this index, or None after the last."""
        return Proposal(dict(self._points[number])) if number < len(self._points) else None

    def begin(self, event: WarmStarted) -> None:
        """Nothing to take over."""

    def replay(self, number: int, sampled: Mapping[str, Scalar], origin: Origin = "searcher") -> None:
        """Nothing to remember."""

    def observe(self, outcome: TrialOutcome) -> None:
        """Nothing to learn."""


class NearestRecorded:
    """Gives in place of each proposal the recorded configuration that is nearest to it and not yet used.

    The distance is Euclidean over parameters scaled to 0..1: numbers by the bounds that the space gives them
    (log-float ones on a logarithmic scale); 1 for categorical ones that differ and for parameters that only
    one of the two has. Ties go to the configuration that was recorded first. The searcher learns the
    recorded one, as if it had proposed it.

    Args:
        searcher: Proposes from the whole space.
        space: That space.
        candidates: Sampled values of the recorded configurations.
    """

    def __init__(self, searcher: Searcher, space: SearchSpace, candidates: Sequence[Params]) -> None:
        self._searcher = searcher
        self._parameters = space.sampled
        self._candidates = [dict(candidate) for candidate in candidates]
        self._table = np.array([self._scale(candidate) for candidate in self._candidates])
        self._is_category = np.array(
            [isinstance(parameter, CategoricalParameter) for parameter in self._parameters.values()]
        )
        self._left = np.ones(len(self._candidates), dtype=bool)

    def propose(self, number: int) -> Proposal | None:
        """The nearest configuration that is left; None where none is left or the searcher has no more."""
        proposal = self._searcher.propose(number) if self._left.any() else None
        if proposal is None:
            return None
        index = int(np.argmin(np.where(self._left, self._distances(proposal.sampled), np.inf)))
        self._left[index] = False
        mapped = dict(self._candidates[index])
        self._searcher.replay(number, mapped)  # as its own: a first point counts once
        return Proposal(mapped, proposal.origin)

    def begin(self, event: WarmStarted) -> None:
        """Passes it on."""
        self._searcher.begin(event)

    def replay(self, number: int, sampled: Mapping[str, Scalar], origin: Origin = "searcher") -> None:
        """Passes it on, and leaves the configuration out from now on."""
        distances = np.where(self._left, self._distances(sampled), np.inf)
        if len(distances) and distances.min() == 0.0:
            self._left[int(np.argmin(distances))] = False
        self._searcher.replay(number, sampled, origin)

    def observe(self, outcome: TrialOutcome) -> None:
        """Passes it on."""
        self._searcher.observe(outcome)

    def _distances(self, sampled: Mapping[str, Scalar]) -> NDArray[np.float64]:
        """To each candidate, squared; shape [candidates]."""
        gap = np.abs(self._table - self._scale(sampled))
        gap = np.where(self._is_category, gap > 0, gap)
        one_lacks = np.isnan(self._table) ^ np.isnan(self._scale(sampled))
        squares: NDArray[np.float64] = np.square(np.where(one_lacks, 1.0, np.nan_to_num(gap))).sum(axis=1)
        return squares

    def _scale(self, sampled: Mapping[str, Scalar]) -> NDArray[np.float64]:
        """A row of the table; NaN where the parameter is not active."""
        return np.array(
            [
                _scale(parameter, sampled[name]) if name in sampled else math.nan
                for name, parameter in self._parameters.items()
            ]
        )


def _scale(parameter: SampledParameter, value: Scalar) -> float:
    if isinstance(parameter, CategoricalParameter):
        return float([repr(choice) for choice in parameter.choices].index(repr(value)))
    assert isinstance(value, int | float)
    low, high, number = float(parameter.low), float(parameter.high), float(value)
    if parameter.type == "log-float":
        low, high, number = math.log(low), math.log(high), math.log(number)
    return (number - low) / (high - low) if high > low else 0.0
