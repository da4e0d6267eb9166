"""What the limits of a search still allow, with what confirmation is expected to take kept back."""

from __future__ import annotations

import math
from collections.abc import Callable

from search.config.schema import SearchConfig
from search.judging.racing import Repetitions
from search.judging.spending import limit_reached, usage
from search.record import SearchState


class Allowance:
    """What is left of the limits on hours, device-hours and cost.

    Args:
        config: The search.
        state: As far as it has come; followed as it changes.
        clock: Seconds since the epoch, which nobody can set.
        repetitions: What confirmation has still to do.
    """

    def __init__(
        self,
        config: SearchConfig,
        state: SearchState,
        clock: Callable[[], float],
        repetitions: Repetitions,
    ) -> None:
        self._config, self._state, self._clock = config, state, clock
        self._repetitions = repetitions
        self._sessions_before = 0

    def open_session(self) -> None:
        """Whatever is recorded by now is of earlier sessions."""
        self._sessions_before = len(self._state.spans)

    def spent(self, reserve: bool = True) -> str | None:
        """The limit that is reached, in words.

        Args:
            reserve: Whether to keep back what confirmation is expected to take.
        """
        limits, now = self._config.limits, self.now()
        if limits.hours is limits.device_hours is limits.cost is None:
            return None
        later = now + (self._confirmation_seconds() if reserve else 0.0)
        return limit_reached(limits, usage(self._state, now), usage(self._state, later))

    def now(self) -> float:
        """The time; before this session has begun that of the last event, as none passes between sessions."""
        spans = self._state.spans
        return self._clock() if not spans or len(spans) > self._sessions_before else self._state.last_time

    def _confirmation_seconds(self) -> float:
        """Wall-clock time that confirmation is expected to take, from the pace so far."""
        state = self._state
        groups = state.slots.groups if state.slots else 1
        # A repetition is trained by one group, however many there are.
        waves = math.ceil(self._repetitions.most(state) / groups)
        return state.work_seconds / max(1, state.steps) * self._mean_steps() * waves

    def _mean_steps(self) -> float:
        """Steps of a full budget; where each trial has its own, their mean so far."""
        budget = self._config.budget
        if not budget.by_trial:
            return budget.full_steps
        trials = self._state.trials.values()
        known = [steps for trial in trials if (steps := trial.proposed.steps) is not None]
        return sum(known) / max(1, len(known))
