"""What a record says that the scheduler decided at each rung."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, pairwise

from search.record import Decided, Event, RungReached, TrialFinished
from search.record.events import Decision


def with_decisions(events: Iterable[Event], rungs: int) -> Iterator[tuple[Event, Decision | None]]:
    """Every event, and of those that reached a rung what the scheduler decided there.

    The decision is the event after; None where it is missing or another's, such as a guard's.

    Args:
        events: A record.
        rungs: Number of rungs; at the last the trial ends.
    """
    for event, following in pairwise(chain(events, [None])):
        assert event is not None
        yield event, _decision(event, following, rungs) if isinstance(event, RungReached) else None


def _decision(reached: RungReached, following: Event | None, rungs: int) -> Decision | None:
    match following:
        case Decided(by="scheduler", trial=reached.trial, rung=reached.rung):
            return following.decision
        case TrialFinished(status="completed", trial=reached.trial) if reached.rung + 1 == rungs:
            return "continue"
    return None
