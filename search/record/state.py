"""The state of a search, rebuilt from its events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from search.errors import RecordError
from search.record.events import (
    BaselineMeasured,
    Decided,
    Event,
    Failed,
    Params,
    RungReached,
    SearchEnded,
    SearchStarted,
    SessionStarted,
    SlotsChosen,
    TrialFinished,
    TrialProposed,
)


@dataclass
class TrialState:
    """All that is recorded of one trial.

    Attributes:
        rungs: The rungs reached, in order.
        decisions: Decision per rung index.
        finished: The last event, or None while the trial is unfinished.
    """

    number: int
    proposed: TrialProposed
    rungs: list[RungReached] = field(default_factory=list)
    decisions: dict[int, Decided] = field(default_factory=dict)
    failures: list[Failed] = field(default_factory=list)
    finished: TrialFinished | None = None

    @property
    def params(self) -> Params:
        """Every parameter of the trainable."""
        return self.proposed.params

    @property
    def status(self) -> str:
        """ "running" until finished, then the status of the last event."""
        return self.finished.status if self.finished else "running"

    @property
    def last(self) -> RungReached | None:
        """The last rung reached."""
        return self.rungs[-1] if self.rungs else None


@dataclass
class SearchState:
    """All that is recorded of one search; `apply` is the only way to change it.

    Attributes:
        slots: Of the last session in which a worker group came up.
        last_time: Time of the last event.
    """

    started: SearchStarted | None = None
    sessions: list[SessionStarted] = field(default_factory=list)
    slots: SlotsChosen | None = None
    baselines: dict[str, BaselineMeasured] = field(default_factory=dict)
    trials: dict[int, TrialState] = field(default_factory=dict)
    failures: list[Failed] = field(default_factory=list)
    ended: SearchEnded | None = None
    last_time: float = 0.0

    @classmethod
    def from_events(cls, events: Iterable[Event]) -> SearchState:
        """Replays events, in their recorded order."""
        state = cls()
        for event in events:
            state.apply(event)
        return state

    def apply(self, event: Event) -> None:
        """Takes one event into account.

        Raises:
            RecordError: The event speaks of a trial that was never proposed.
        """
        self.last_time = event.time
        match event:
            case SearchStarted():
                self.started = event
            case SessionStarted():
                self.sessions.append(event)
                self.ended = None
            case SlotsChosen():
                self.slots = event
            case BaselineMeasured():
                self.baselines[event.name] = event
            case TrialProposed():
                self.trials[event.trial] = TrialState(event.trial, event)
            case RungReached():
                self._trial(event.trial).rungs.append(event)
            case Decided():
                self._trial(event.trial).decisions[event.rung] = event
            case Failed():
                self.failures.append(event)
                if event.trial is not None:
                    self._trial(event.trial).failures.append(event)
            case TrialFinished():
                self._trial(event.trial).finished = event
            case SearchEnded():
                self.ended = event

    def _trial(self, number: int) -> TrialState:
        if number not in self.trials:
            raise RecordError(f"An event speaks of trial {number}, which was never proposed.")
        return self.trials[number]

    @property
    def unfinished(self) -> list[TrialState]:
        """Trials that were proposed and have not finished, by number."""
        return [trial for trial in self.trials.values() if trial.finished is None]
