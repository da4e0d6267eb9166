"""Working time: hours in sessions, without the time between them."""

from __future__ import annotations

from bisect import bisect_right

from search.record import SearchState


class Clock:
    """Turns times of events into hours that the search had worked by then."""

    def __init__(self, state: SearchState) -> None:
        self._begins = [span.began for span in state.spans]
        self._ends = [span.ended for span in state.spans]
        self._before = [0.0]
        for begin, end in zip(self._begins, self._ends, strict=True):
            self._before.append(self._before[-1] + max(0.0, end - begin))

    def hours(self, time: float) -> float:
        """Hours of work up to a time, in seconds since the epoch; 0 before the first session."""
        index = bisect_right(self._begins, time) - 1
        if index < 0:
            return 0.0
        within = min(time, max(self._ends[index], self._begins[index])) - self._begins[index]
        return (self._before[index] + max(0.0, within)) / 3600


def unit(hours: float) -> tuple[str, float]:
    """The unit that suits a time, and how many of it an hour has."""
    return ("hours", 1.0) if hours >= 2 else ("minutes", 60.0) if hours >= 1 / 30 else ("seconds", 3600.0)
