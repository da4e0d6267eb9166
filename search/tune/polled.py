"""A number that is asked for now and then, and never waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future

from ray.exceptions import RayActorError

INTERVAL_SECONDS = 1.0


class Polled:
    """The latest answer of an actor; asks again when called, with at most one question on its way.

    While the actor cannot be reached the last answer holds: who submits requests to it says so.

    Args:
        ask: Asks the actor.
        first: What is returned before the first answer.
        interval: Seconds between questions, at least.
    """

    def __init__(
        self, ask: Callable[[], Future[int]], first: int, interval: float = INTERVAL_SECONDS
    ) -> None:
        self._ask = ask
        self._latest = first
        self._interval = interval
        self._asked: Future[int] | None = None
        self._ask_at = time.monotonic()

    def __call__(self) -> int:
        """The latest answer; returns at once."""
        if self._asked is None and time.monotonic() >= self._ask_at:
            self._asked = self._ask()
            self._ask_at = time.monotonic() + self._interval
        if self._asked is not None and self._asked.done():
            answered, self._asked = self._asked, None
            if not isinstance(answered.exception(), RayActorError):
                self._latest = answered.result()
        return self._latest
