"""Random search."""

from __future__ import annotations

from collections.abc import Mapping

from search.config.schema import SearchConfig
from search.record.events import Origin, Scalar, WarmStarted
from search.searchers.base import Proposal, TrialOutcome, register
from search.searchers.draw import draw
from search.space import SearchSpace


@register("random", "independent random points (Bergstra and Bengio, 2012)")
class RandomSearcher:
    """Draws every trial independently; outcomes change nothing."""

    def __init__(self, config: SearchConfig, space: SearchSpace) -> None:
        self._seed = config.seed
        self._space = space

    def begin(self, event: WarmStarted) -> None:
        """Nothing to learn."""

    def propose(self, number: int) -> Proposal:
        """A point that depends on the search's seed and the number alone."""
        return Proposal(draw(self._space, self._seed, number))

    def replay(self, number: int, sampled: Mapping[str, Scalar], origin: Origin = "searcher") -> None:
        """Nothing to remember."""

    def observe(self, outcome: TrialOutcome) -> None:
        """Nothing to learn."""
