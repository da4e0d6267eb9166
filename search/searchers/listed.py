"""Points that the space lists: tried first by every searcher, and a searcher of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from search.config.schema import SearchConfig
from search.record.events import Origin, Params, Scalar, WarmStarted
from search.searchers.base import Proposal, Searcher, TrialOutcome, point_key, register
from search.space import SearchSpace, SpaceError

_FIRST: tuple[Origin, ...] = ("listed", "warm_start", "prior")
"""Origins of the points that come before those of the searcher."""


@register("listed", "only the points that the space lists", finite=True)
class ListedSearcher:
    """Proposes nothing of its own, so that the search ends after the listed points.

    Raises:
        SpaceError: There are no listed points, and none are taken over from an earlier search.
    """

    def __init__(self, config: SearchConfig, space: SearchSpace) -> None:
        taken_over = config.warm_start is not None and config.warm_start.use == "points"
        if not (config.points or taken_over):
            raise SpaceError(
                "the searcher `listed` has nothing to propose",
                hint="List points, or choose another searcher.",
            )

    def begin(self, event: WarmStarted) -> None:
        """Nothing to learn."""

    def propose(self, number: int) -> None:
        """None: all listed points were proposed."""

    def replay(self, number: int, sampled: Mapping[str, Scalar], origin: Origin = "searcher") -> None:
        """Nothing to remember."""

    def observe(self, outcome: TrialOutcome) -> None:
        """Nothing to learn."""


class ListedFirst:
    """Begins with listed points, then those of an earlier search or a prior; then a searcher proposes.

    The searcher learns from all of them. Points are counted by the origin of trials, not by their numbers,
    which repetitions and clones take as well.

    Args:
        points: Listed points, in order.
        searcher: Proposes from then on.
        prior: Points that a prior begins with.
    """

    def __init__(self, points: Sequence[Params], searcher: Searcher, prior: Sequence[Params] = ()) -> None:
        listed = {point_key(point) for point in points}
        self._first = [Proposal(dict(point), "listed") for point in points]
        self._first += [Proposal(dict(point), "prior") for point in prior if point_key(point) not in listed]
        self._searcher = searcher
        self._proposed = 0

    def begin(self, event: WarmStarted) -> None:
        """Puts the other search's points after the listed ones, where they are to be tried first."""
        if event.use == "points":
            listed = {point_key(proposal.sampled) for proposal in self._first}
            self._first += [
                Proposal(dict(trial.sampled), "warm_start")
                for trial in event.trials
                if point_key(trial.sampled) not in listed
            ]
        self._searcher.begin(event)

    def propose(self, number: int) -> Proposal | None:
        """The next of the first points, then what the searcher proposes."""
        if self._proposed >= len(self._first):
            return self._searcher.propose(number)
        proposal = self._first[self._proposed]
        self.replay(number, proposal.sampled, proposal.origin)
        return Proposal(dict(proposal.sampled), proposal.origin)

    def replay(self, number: int, sampled: Mapping[str, Scalar], origin: Origin = "searcher") -> None:
        """Counts it where it was one of the first points, and passes it on; a clone of one is none."""
        self._proposed += origin in _FIRST
        self._searcher.replay(number, sampled, origin)

    def observe(self, outcome: TrialOutcome) -> None:
        """Passes it on."""
        self._searcher.observe(outcome)
