"""Points that the space lists: tried first by every searcher, and a searcher of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from search.config.schema import SearchConfig
from search.measurement import Outcome
from search.record.events import Params, Scalar
from search.searchers.base import Proposal, Searcher, register
from search.space import SearchSpace, SpaceError


@register("listed", "only the points that the space lists", learns=False)
class ListedSearcher:
    """Proposes nothing of its own, so that the search ends after the listed points.

    Raises:
        SpaceError: There are no listed points.
    """

    def __init__(self, config: SearchConfig, space: SearchSpace) -> None:
        if not config.points:
            raise SpaceError(
                "the searcher `listed` has nothing to propose",
                hint="List points, or choose another searcher.",
            )

    def propose(self, number: int) -> None:
        """None: all listed points were proposed."""

    def replay(self, number: int, sampled: Mapping[str, Scalar]) -> None:
        """Nothing to remember."""

    def observe(self, outcome: Outcome) -> None:
        """Nothing to learn."""


class ListedFirst:
    """Gives the first numbers to listed points and the rest to a searcher, which learns from all.

    Args:
        points: Listed points; the one at index i is trial i.
        searcher: Proposes from then on.
    """

    def __init__(self, points: Sequence[Params], searcher: Searcher) -> None:
        self._points = tuple(points)
        self._searcher = searcher

    def propose(self, number: int) -> Proposal | None:
        """The listed point with this index, then what the searcher proposes."""
        if number >= len(self._points):
            return self._searcher.propose(number)
        point = dict(self._points[number])
        self._searcher.replay(number, point)
        return Proposal(point, "listed")

    def replay(self, number: int, sampled: Mapping[str, Scalar]) -> None:
        """Passes it on."""
        self._searcher.replay(number, sampled)

    def observe(self, outcome: Outcome) -> None:
        """Passes it on."""
        self._searcher.observe(outcome)
