"""The clock of a session."""

from __future__ import annotations

import time
from collections.abc import Callable


class SessionClock:
    """Seconds since the epoch, as they were when the session began and one by one from then on.

    Whoever sets the machine's clock meanwhile neither ends a search by its limits nor prolongs it: within a
    session, times of events differ by the seconds that passed.

    Args:
        wall: The machine's clock.
        steady: Seconds since any moment, which nobody can set.
    """

    def __init__(
        self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._steady = steady
        self._offset = wall() - steady()

    def __call__(self) -> float:
        """The time now."""
        return self._offset + self._steady()


now = SessionClock()
"""That of this process, which holds one session."""
