"""When to give Tune another trial, so that it starts no process that nobody needs."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ray import tune
from ray.exceptions import RayActorError

START_SECONDS = 2.0
"""About how long an actor takes to start."""


class Actors(tune.Callback):  # type: ignore[misc]  # Ray has no types here
    """Knows which trials have an actor, and whether the next one would need a new one.

    Tune starts an actor for every trial that it is given while none is free, and hands the first one that
    becomes free to whichever trial still waits, whose own is then killed half started. Where trials are
    shorter than the start of an actor, each would cost a process. So once a trial has ended, the next is
    given to Tune only if an actor is free, or if those that run have run so long that another pays.

    Args:
        clock: In seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: set[str] = set()
        self._running: dict[str, float] = {}
        self._filling = True
        self._free = False

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its callbacks into its own files, which nobody reads

    @property
    def may_begin(self) -> bool:
        """Whether one more trial may be given to Tune."""
        if self._filling:
            return True
        if self._waiting:
            return False
        if self._free or not self._running:
            return True
        return self._clock() - min(self._running.values()) >= START_SECONDS

    def give(self, trial_id: str) -> None:
        """A trial has been given to Tune."""
        self._waiting.add(trial_id)
        self._free = False

    def end(self, trial_id: str, dead: bool) -> None:
        """A trial has ended; its actor is free, or `dead`."""
        self._filling = False
        self._waiting.discard(trial_id)
        started = self._running.pop(trial_id, None) is not None
        # One that waits takes the actor.
        self._free = self._free or (started and not dead and not self._waiting)

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tune has an actor for the trial."""
        self._waiting.discard(trial.trial_id)
        self._running[trial.trial_id] = self._clock()


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
