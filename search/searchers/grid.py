"""Grid search."""

from __future__ import annotations

from collections.abc import Mapping

from search.config.schema import SearchConfig
from search.record.events import Origin, Scalar, WarmStarted
from search.searchers.base import Proposal, TrialOutcome, point_key, register
from search.space import SearchSpace


@register("grid", "every combination of values, in order; real parameters need `points`", finite=True)
class GridSearcher:
    """Goes through `SearchSpace.grid`, leaving out what has been proposed already.

    Raises:
        SpaceError: The space has no grid.
    """

    def __init__(self, config: SearchConfig, space: SearchSpace) -> None:
        self._remaining = {point_key(point): point for point in space.grid()}

    def begin(self, event: WarmStarted) -> None:
        """Nothing to learn."""

    def propose(self, number: int) -> Proposal | None:
        """The next point, or None after the last."""
        if not self._remaining:
            return None
        return Proposal(self._remaining.pop(next(iter(self._remaining))))

    def replay(self, number: int, sampled: Mapping[str, Scalar], origin: Origin = "searcher") -> None:
        """Leaves the point out from now on."""
        self._remaining.pop(point_key(sampled), None)

    def observe(self, outcome: TrialOutcome) -> None:
        """Nothing to learn."""
