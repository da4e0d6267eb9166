"""Quasi-random search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from search.config.choices import Choice
from search.config.schema import SearchConfig
from search.record.events import Origin, Scalar, WarmStarted
from search.searchers.base import Proposal, TrialOutcome, register
from search.searchers.draw import quantile
from search.space import SearchSpace


class QmcOptions(Choice):
    """Options of `qmc`.

    Attributes:
        sequence: The low-discrepancy sequence, which is scrambled by the seed.
    """

    sequence: Literal["sobol", "halton"] = "sobol"


@register(
    "qmc",
    "points of a low-discrepancy sequence, more even than random points (Sobol, Halton)",
    options=QmcOptions,
)
class QmcSearcher:
    """Trial n is the n-th point of a scrambled sequence (Owen, 1998, doi:10.1006/jcom.1998.0487).

    Every sampled parameter has a coordinate of its own, whether it is active or not, so that the others
    are as evenly spread as without it. Outcomes change nothing.
    """

    def __init__(self, config: SearchConfig, space: SearchSpace) -> None:
        assert isinstance(config.searcher, QmcOptions)
        self._sequence = config.searcher.sequence
        self._seed = config.seed
        self._space = space
        self._names = list(space.sampled)

    def begin(self, event: WarmStarted) -> None:
        """Nothing to learn."""

    def propose(self, number: int) -> Proposal:
        """A point that depends on the search's seed and the number alone."""
        point = dict(zip(self._names, self._point(number), strict=True))
        return Proposal(self._space.walk(lambda name, parameter: quantile(parameter, point[name])))

    def _point(self, number: int) -> list[float]:
        # SciPy is imported when a search starts, not to list what can be chosen.
        from scipy.stats import qmc

        kind = qmc.Sobol if self._sequence == "sobol" else qmc.Halton
        engine = kind(len(self._names), scramble=True, rng=self._seed)
        if number:
            engine.fast_forward(number)
        return [float(share) for share in engine.random(1)[0]]

    def replay(self, number: int, sampled: Mapping[str, Scalar], origin: Origin = "searcher") -> None:
        """Nothing to remember."""

    def observe(self, outcome: TrialOutcome) -> None:
        """Nothing to learn."""
