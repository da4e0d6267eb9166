"""Tune's searcher and scheduler interfaces, handing everything to the conductor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from search.conductor import Conductor
from search.tune.actors import Actors
from search.tune.trial_actor import FAILURE_CLASS, LOST, REPLY
from trainables.messages import Reply


class _NotPickled:
    """Tune pickles its searcher and scheduler into its own files; ours are rebuilt from the record."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class ConductedSearch(_NotPickled, Searcher):  # type: ignore[misc]  # Ray has no types here
    """Gives Tune the trials that the conductor names, at most as many at once as there are slots.

    Args:
        conductor: Decides.
        slots: Says how many trials can train at the same time, just now, without waiting; where none can,
            one is given all the same, to find out why.
        release: Frees a trial's slot.
        actors: Receives the trials that Tune is given; it has to be a callback of the same run.
    """

    def __init__(
        self,
        conductor: Conductor,
        slots: Callable[[], int],
        release: Callable[[int], None],
        actors: Actors,
    ) -> None:
        super().__init__()
        self._conductor = conductor
        self._slots = slots
        self._release = release
        self.actors = actors
        self._numbers: dict[str, int] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The next trial's first request; None while every slot is taken, or one has to wait for an actor."""
        if self._conductor.finished:
            return str(Searcher.FINISHED)
        if len(self._numbers) >= max(1, self._slots()) or not self.actors.may_begin:
            return None
        number = self._conductor.next_trial()
        if number is None:
            return str(Searcher.FINISHED) if self._conductor.finished else None
        self._numbers[trial_id] = number
        self.actors.give(trial_id)
        rungs = self._conductor.rungs(number)
        return {"number": number, "request": self._conductor.request(number), "rungs": rungs}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Frees the slot. What the trial measured was reported before."""
        number = self._numbers.pop(trial_id, None)
        if number is not None:
            self.actors.end(trial_id, dead=error)
            self._release(number)
            if error:
                self._conductor.lose(number, "the trial's actor died")

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the record is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the record is the state."""


class ConductedScheduler(_NotPickled, FIFOScheduler):  # type: ignore[misc]  # Ray has no types here
    """Asks the conductor at every report whether the trial continues.

    Args:
        conductor: Decides.
        folder: The search's folder, as the driver sees it.
    """

    def __init__(self, conductor: Conductor, folder: Path) -> None:
        super().__init__()
        self._conductor = conductor
        self._folder = folder

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """CONTINUE to the next rung, or STOP where the trial has finished."""
        number: int = trial.config["number"]
        if LOST in result:
            self._conductor.abort(result[LOST], result[FAILURE_CLASS])
            return str(TrialScheduler.STOP)
        reply: Reply = result[REPLY]
        if reply.checkpoint is not None and not (self._folder / reply.checkpoint).is_dir():
            self._conductor.abort(f"{reply.group} saved {reply.checkpoint}, and it is not in {self._folder}")
            return str(TrialScheduler.STOP)
        goes_on = self._conductor.report(number, reply) and self._conductor.aborted is None
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)
