"""The driver's side of requests: carries out those in the search's folder, and records the answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from search.conductor import HAND, Conductor
from search.errors import TightropeError
from search.judging.rungs import place
from search.record import Event, RequestAnswered, TrialState
from search.requests import Request, cloned_point, remove, waiting

INTERVAL_SECONDS = 0.5
BY_HAND = "by hand"


class Inbox:
    """Answers requests about one search, each once; to be looked into by the thread that conducts it.

    Args:
        conductor: Of the search.
        folder: The search's folder.
        append: Records an event and takes it into account.
        clock: In seconds.
    """

    def __init__(
        self,
        conductor: Conductor,
        folder: Path,
        append: Callable[[Event], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._conductor, self._folder, self._append, self._clock = conductor, folder, append, clock
        self._look_at = 0.0

    def look(self, withdraw: Callable[[int], None] = lambda trial: None, *, starting: bool = False) -> bool:
        """Answers what is there, at most twice a second.

        Args:
            withdraw: Has the workers give up a trial that was in training.
            starting: Whether no trial can run yet: then only the end of the whole search is taken up.

        Returns:
            Whether the whole search is to end now.
        """
        if self._clock() < self._look_at:
            return False
        self._look_at = self._clock() + INTERVAL_SECONDS
        return self.answer_all(withdraw, starting=starting)

    def answer_all(
        self, withdraw: Callable[[int], None] = lambda trial: None, *, starting: bool = False
    ) -> bool:
        """The same at once."""
        for request in waiting(self._folder):
            if request.id in self._conductor.state.answered:
                remove(self._folder, request.id)
            elif request.trial is None or not starting:
                answered = self._carry_out(request, withdraw)
                self._append(answered)
                remove(self._folder, request.id)
                if request.trial is None and answered.accepted:
                    return True
        return False

    @property
    def has_work(self) -> bool:
        """Whether a request about a trial waits for its answer, though the search has nothing left to do."""
        answered = self._conductor.state.answered
        return any(
            request.trial is not None and request.id not in answered for request in waiting(self._folder)
        )

    def _carry_out(self, request: Request, withdraw: Callable[[int], None]) -> RequestAnswered:
        state, number = self._conductor.state, request.trial
        if number is None:
            return self._end(request)
        if number not in state.trials:
            return _refuse(request, f"there is no trial {number}", known=False)
        trial = state.trials[number]
        match request.verb:
            case "clone":
                return self._clone(request, trial)
            case "stop":
                return self._stop(request, trial, withdraw)
            case "pause":
                return self._pause(request, trial)
            case "resume":
                return self._resume(request, trial)

    def _end(self, request: Request) -> RequestAnswered:
        if request.verb != "stop":
            return _refuse(request, f"{request.verb} needs a trial number")
        if request.session != len(self._conductor.state.sessions) - 1:
            return _refuse(request, "the session that was to be stopped has ended")
        return _accept(request, f"the search was stopped {BY_HAND}")

    def _stop(self, request: Request, trial: TrialState, withdraw: Callable[[int], None]) -> RequestAnswered:
        if trial.finished is not None and trial.status != "cancelled":
            return _refuse(request, _ended(trial))
        if trial.finished is None:
            self._conductor.cancel(trial.number, f"stopped {BY_HAND} {self._at(trial)}")
            withdraw(trial.number)
        return _accept(request, f"trial {trial.number} was stopped {BY_HAND}")

    def _pause(self, request: Request, trial: TrialState) -> RequestAnswered:
        state, number = self._conductor.state, trial.number
        if trial.finished is not None:
            return _refuse(request, _ended(trial))
        if number in state.held | state.pausing:
            return _refuse(request, f"trial {number} is already paused")
        if self._conductor.set_aside(number):
            return _accept(request, f"trial {number} is paused {self._at(trial)}")
        rungs, reached = self._conductor.rungs(number), len(trial.rungs)
        if reached + 1 == len(rungs):
            return _refuse(request, f"trial {number} is already training towards its last rung")
        answer = f"trial {number} pauses at its next rung, step {rungs[reached]:,}"
        return _accept(request, answer, at_once=False)

    def _resume(self, request: Request, trial: TrialState) -> RequestAnswered:
        state, number = self._conductor.state, trial.number
        if trial.finished is not None:
            return _refuse(request, _ended(trial))
        if number in state.held | state.pausing | state.paused:
            self._conductor.resume(number, f"resumed {BY_HAND}")
        elif not _was_resumed(trial):
            return _refuse(request, f"trial {number} is not paused")
        where = place(state, trial) if trial.rungs else "its beginning"
        return _accept(request, f"trial {number} continues from {where}")

    def _at(self, trial: TrialState) -> str:
        return f"at {place(self._conductor.state, trial)}" if trial.rungs else "before its first rung"

    def _clone(self, request: Request, trial: TrialState) -> RequestAnswered:
        conductor = self._conductor
        made = [
            each.number for each in conductor.state.trials.values() if each.proposed.request == request.id
        ]
        if not made:
            if (limit := conductor.spent) is not None:
                return _refuse(request, f"no trial can begin: {limit}")
            try:
                sampled = cloned_point(conductor.space, trial.proposed.sampled, request.changes)
            except TightropeError as error:
                return _refuse(request, error.message)
            made = [conductor.clone(sampled, request.id)]
        return _accept(request, f"trial {made[0]} is a clone of trial {trial.number}")


def _was_resumed(trial: TrialState) -> bool:
    """Whether a user has resumed it at its last rung, as before a kill that came ahead of the answer."""
    decided = None if trial.last is None else trial.decisions.get(trial.last.rung)
    return decided is not None and (decided.decision, decided.by) == ("continue", HAND)


def _ended(trial: TrialState) -> str:
    return f"trial {trial.number} has ended: {trial.status}"


def _accept(request: Request, answer: str, *, at_once: bool = True) -> RequestAnswered:
    return RequestAnswered(
        id=request.id, verb=request.verb, trial=request.trial, answer=answer, at_once=at_once
    )


def _refuse(request: Request, answer: str, *, known: bool = True) -> RequestAnswered:
    trial = request.trial if known else None
    return RequestAnswered(id=request.id, verb=request.verb, trial=trial, answer=answer, accepted=False)
