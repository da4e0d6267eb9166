"""Grid search."""

from __future__ import annotations

from collections.abc import Mapping

from search.config.schema import SearchConfig
from search.measurement import Outcome
from search.record.events import Scalar
from search.searchers.base import Proposal, register
from search.space import SearchSpace


@register("grid", "every combination of values, in order; real parameters need `points`", learns=False)
class GridSearcher:
    """Goes through `SearchSpace.grid`, leaving out what has been proposed already.

    Raises:
        SpaceError: The space has no grid.
    """

    def __init__(self, config: SearchConfig, space: SearchSpace) -> None:
        self._remaining = {_key(point): point for point in space.grid()}

    def propose(self, number: int) -> Proposal | None:
        """The next point, or None after the last."""
        if not self._remaining:
            return None
        return Proposal(self._remaining.pop(next(iter(self._remaining))))

    def replay(self, number: int, sampled: Mapping[str, Scalar]) -> None:
        """Leaves the point out from now on."""
        self._remaining.pop(_key(sampled), None)

    def observe(self, outcome: Outcome) -> None:
        """Nothing to learn."""


def _key(point: Mapping[str, Scalar]) -> tuple[tuple[str, str], ...]:
    # repr, because 1, 1.0 and True are different choices.
    return tuple(sorted((name, repr(value)) for name, value in point.items()))
