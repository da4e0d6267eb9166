"""The state of a search, rebuilt from its events."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from search.errors import RecordError
from search.record.events import (
    BaselineMeasured,
    Decided,
    Event,
    Failed,
    FrontMeasured,
    Params,
    RequestAnswered,
    RungReached,
    SearchEnded,
    SearchStarted,
    SessionStarted,
    SlotsChosen,
    TrialFinished,
    TrialProposed,
    WarmStarted,
)

_NEWEST = 50
"""Measurements that say what one takes."""


@dataclass
class TrialState:
    """All that is recorded of one trial.

    Attributes:
        rungs: The rungs reached, in order. The last has the metrics, intervals and items of `front` too.
        decisions: Decision per rung index.
        finished: The event that ended it, or None while the trial is unfinished.
        front: Its evaluation on the Pareto front, once the search was over.
    """

    number: int
    proposed: TrialProposed
    rungs: list[RungReached] = field(default_factory=list)
    decisions: dict[int, Decided] = field(default_factory=dict)
    failures: list[Failed] = field(default_factory=list)
    finished: TrialFinished | None = None
    front: FrontMeasured | None = None

    @property
    def params(self) -> Params:
        """Every parameter of the trainable."""
        return self.proposed.params

    @property
    def status(self) -> str:
        """ "running" until finished, then the status of the last event."""
        return self.finished.status if self.finished else "running"

    @property
    def confirms(self) -> int | None:
        """Number of the trial that it repeats, where it is a confirmation."""
        return self.proposed.repeats

    @property
    def last(self) -> RungReached | None:
        """The last rung reached."""
        return self.rungs[-1] if self.rungs else None

    @property
    def measured(self) -> RungReached | None:
        """The last rung at which it was measured."""
        return next((rung for rung in reversed(self.rungs) if rung.measured), None)

    @property
    def train_seconds(self) -> float:
        """Time in training up to the last rung."""
        return sum(rung.train_seconds for rung in self.rungs)

    @property
    def eval_seconds(self) -> float:
        """Time in evaluation at its rungs and on the front."""
        return sum(rung.eval_seconds for rung in self.rungs) + (
            self.front.eval_seconds if self.front else 0.0
        )

    @property
    def eval_parts(self) -> list[dict[str, float]]:
        """Seconds by part of each of its evaluations."""
        return [rung.eval_parts for rung in self.rungs] + ([self.front.eval_parts] if self.front else [])


@dataclass
class Span:
    """A time in which one session worked on the search, on so many devices.

    Attributes:
        began: Time of its first event, in seconds since the epoch.
        ended: Time of its last event so far.
        devices: GPUs, or CPU workers; 0 until it is known.
        nodes: Nodes of the cluster.
        known: Whether devices and nodes are those that were recorded.
    """

    began: float
    ended: float
    devices: int = 0
    nodes: int = 1
    known: bool = False


@dataclass
class SearchState:
    """All that is recorded of one search; `apply` is the only way to change it.

    Attributes:
        spans: The time of each session; of one in which nodes have come or gone, in parts.
        baselines: In the order of the configuration.
        slots: Of the last session in which a worker group came up, when any last had room.
        unfinished: Trials that were proposed and have not finished, by number.
        paused: Numbers of unfinished trials that wait at a rung for a decision to continue.
        held: Numbers of unfinished trials that a user has paused.
        pausing: Numbers of those that a user has paused, and that are in training up to their next rung.
        answered: Identifiers of the requests of users that were answered.
        searched: Number of trials that are neither confirmations nor clones.
        clones: Number of clones.
        steps: Optimizer steps of all trials, up to the last rung of each.
        work_seconds: Time in training of trials and evaluation at their rungs; shares of groups add up.
        early_evaluations: Seconds of the newest measurements of trials before their last rung.
        full_evaluations: The same at their last rung.
        last_time: Time of the last event.
    """

    started: SearchStarted | None = None
    sessions: list[SessionStarted] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    slots: SlotsChosen | None = None
    warm_start: WarmStarted | None = None
    baselines: dict[str, BaselineMeasured] = field(default_factory=dict)
    trials: dict[int, TrialState] = field(default_factory=dict)
    unfinished: dict[int, TrialState] = field(default_factory=dict)
    paused: set[int] = field(default_factory=set)
    held: set[int] = field(default_factory=set)
    pausing: set[int] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    searched: int = 0
    clones: int = 0
    steps: int = 0
    work_seconds: float = 0.0
    early_evaluations: deque[float] = field(default_factory=lambda: deque(maxlen=_NEWEST))
    full_evaluations: deque[float] = field(default_factory=lambda: deque(maxlen=_NEWEST))
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
        if self.spans and not isinstance(event, SessionStarted):
            self.spans[-1].ended = event.time
        match event:
            case SearchStarted():
                self.started = event
            case SessionStarted():
                self.sessions.append(event)
                self.spans.append(Span(event.time, event.time))
                self.ended = None
                self._hold(*self.pausing)  # nothing is in training
            case SlotsChosen():
                self._choose_slots(event)
            case WarmStarted():
                self.warm_start = event
            case BaselineMeasured():
                self._measure_baseline(event)
            case TrialProposed():
                trial = TrialState(event.trial, event)
                self.trials[event.trial] = self.unfinished[event.trial] = trial
                self.searched += event.repeats is None and event.origin != "clone"
                self.clones += event.origin == "clone"
            case RungReached():
                trial = self._trial(event.trial)
                self.steps += event.step - (trial.last.step if trial.last else 0)
                self.work_seconds += event.train_seconds + event.eval_seconds
                trial.rungs.append(event)
                if event.measured:
                    self._evaluations(event.rung).append(event.eval_seconds)
            case FrontMeasured():
                self._measure_front(event)
            case Decided():
                self._trial(event.trial).decisions[event.rung] = event
                (self.paused.add if event.decision == "pause" else self.paused.discard)(event.trial)
                self._hold(event.trial)
            case Failed():
                self.failures.append(event)
                if event.trial is not None:
                    self._trial(event.trial).failures.append(event)
                    self._hold(event.trial)  # it is trained from its last rung again
            case TrialFinished():
                self._trial(event.trial).finished = event
                self.unfinished.pop(event.trial, None)
                for waiting in (self.paused, self.held, self.pausing):
                    waiting.discard(event.trial)
            case RequestAnswered():
                self._answer(event)
            case SearchEnded():
                self.ended = event

    @property
    def limits(self) -> dict[str, float | None]:
        """The section `limits` of the last session; empty before the first."""
        if self.sessions and self.sessions[-1].limits:
            return self.sessions[-1].limits
        return self.started.config.get("limits", {}) if self.started else {}

    @property
    def confirm(self) -> dict[str, int]:
        """The section `confirm` of the last session; empty before the first."""
        if self.sessions and self.sessions[-1].confirm:
            return self.sessions[-1].confirm
        return self.started.config.get("confirm", {}) if self.started else {}

    def _evaluations(self, rung: int) -> deque[float]:
        config = self.started.config if self.started else {}
        rungs = config.get("budget", {}).get("rungs")
        return self.full_evaluations if rung + 1 == rungs else self.early_evaluations

    def _choose_slots(self, event: SlotsChosen) -> None:
        if event.groups or self.slots is None:
            self.slots = event
        if self.spans and self.spans[-1].known:  # nodes have come or gone in the middle of the session
            self.spans.append(Span(event.time, event.time))
        if self.spans:
            span = self.spans[-1]
            span.devices, span.nodes, span.known = event.devices, event.nodes, True

    def _answer(self, event: RequestAnswered) -> None:
        self.answered.add(event.id)
        if event.trial is None or not event.accepted:
            return
        if event.verb == "pause":
            (self.held if event.at_once else self.pausing).add(event.trial)
        elif event.verb == "resume":
            self.held.discard(event.trial)
            self.pausing.discard(event.trial)

    def _hold(self, *trials: int) -> None:
        """Trials that were to be trained to a rung before they wait are not in training any more."""
        self.held |= self.pausing & set(trials)
        self.pausing -= set(trials)

    def _measure_baseline(self, event: BaselineMeasured) -> None:
        self.baselines[event.name] = event
        configured = self.started.config.get("baselines", ()) if self.started else ()
        places = {name: place for place, name in enumerate(configured)}
        self.baselines = dict(sorted(self.baselines.items(), key=lambda item: places.get(item[0], -1)))

    def _measure_front(self, event: FrontMeasured) -> None:
        trial = self._trial(event.trial)
        if trial.last is None:
            raise RecordError(f"An event answers what trial {event.trial} was asked, which reached no rung.")
        trial.front = event
        trial.rungs[-1] = trial.last.model_copy(
            update={
                "metrics": trial.last.metrics | event.metrics,
                "intervals": trial.last.intervals | event.intervals,
                "items_file": event.items_file or trial.last.items_file,
            }
        )

    def _trial(self, number: int) -> TrialState:
        if number not in self.trials:
            raise RecordError(f"An event names trial {number}, which was never proposed.")
        return self.trials[number]
