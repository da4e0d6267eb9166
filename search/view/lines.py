"""Events in words, one line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from search import wording
from search.judging.constraints import bound_of
from search.judging.spending import spending
from search.record import (
    BaselineMeasured,
    Decided,
    Event,
    Failed,
    FrontMeasured,
    RequestAnswered,
    RungReached,
    SearchEnded,
    SearchStarted,
    SearchState,
    SessionStarted,
    SlotsChosen,
    TrialFinished,
    TrialProposed,
    WarmStarted,
)
from search.view.progress import Progress
from trainables.interval import Interval
from trainables.specs import TRAINABLES

_NOT_FINISHED = {"running": 0, "paused": 0}


class EventLines:
    """Turns events into lines; a rung and the decision about it become one line.

    Args:
        progress: Follows the search; an event is given to it before it is taken here.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._config = progress.config
        self._rungs: dict[int, RungReached] = {}
        self._stopped: dict[int, str] = {}
        self._paused: set[int] = set()
        self._slots = ""

    def restore(self, state: SearchState) -> None:
        """Takes over which trials are paused."""
        self._paused = set(state.paused)

    def take(self, event: Event) -> list[str]:
        """The lines to show now; a rung waits for its decision."""
        match event:
            case RungReached():
                waiting = self._rungs.pop(event.trial, None)
                self._rungs[event.trial] = event
                return [self._rung(waiting)] if waiting else []
            case Decided():
                return self._decision_lines(event)
            case TrialFinished():
                return self._finish_lines(event)
            case SearchEnded():
                return [*self.flush(), self._end_line(event)]
            case SlotsChosen() if wording.slots(event.slots, event.reason) == self._slots:
                return []  # nodes have come or gone
            case _:
                return [self._other(event)]

    def flush(self) -> list[str]:
        """Lines of the rungs without a decision."""
        waiting = [self._rung(rung) for rung in self._rungs.values()]
        self._rungs.clear()
        return waiting

    def _other(
        self,
        event: SearchStarted
        | SessionStarted
        | SlotsChosen
        | WarmStarted
        | BaselineMeasured
        | TrialProposed
        | FrontMeasured
        | Failed
        | RequestAnswered,
    ) -> str:
        match event:
            case SearchStarted():
                config = self._config
                subject = TRAINABLES[config.trainable].subject(config.options)
                return (
                    f"search {config.name} begins: space {config.space}, trainable {config.trainable}, "
                    f"model {subject}, seed {config.seed}"
                )
            case SessionStarted():
                return f"session {event.session} begins: {wording.plural(event.trials, 'trial')} requested"
            case SlotsChosen():
                self._slots = wording.slots(event.slots, event.reason)
                return self._slots
            case WarmStarted():
                use = "are tried first" if event.use == "points" else "teach the searcher"
                count = wording.plural(len(event.trials), "trial")
                return f"warm start from {self._warm_start(event)}: {count} {use}"
            case BaselineMeasured():
                values = self._values(event.metrics, event.intervals, self._progress.shown)
                return f"baseline {event.name}: {values} (measured in {wording.duration(event.seconds)})"
            case TrialProposed():
                return f"trial {event.trial} {self._begin_line(event)}: {wording.params(event.sampled)}"
            case FrontMeasured():
                shown = [name for name in event.metrics if name in event.intervals]
                values = self._values(event.metrics, event.intervals, shown)
                took = wording.duration(event.eval_seconds)
                return f"trial {event.trial}, on the front: {values} (measured in {took})"
            case Failed():
                subject = "search" if event.trial is None else f"trial {event.trial}"
                return f"{subject} {event.failure_class}: {_one_line(event.message)}"
            case RequestAnswered():
                return f"asked to {event.verb}{'' if event.accepted else ', refused'}: {event.answer}"

    def _warm_start(self, event: WarmStarted) -> str:
        configured = self._config.warm_start
        return f"search {event.search_id[:8]}" if configured is None else str(configured.search)

    def _begin_line(self, event: TrialProposed) -> str:
        if event.repeats is not None:
            seeds, number = self._config.confirm.seeds, self._progress.repeated[event.repeats]
            return f"begins, confirming trial {event.repeats} (seed {number} of {max(seeds, number)})"
        origins = {
            "listed": " (listed)",
            "warm_start": " (from the earlier search)",
            "prior": " (from the prior)",
            "clone": " (a clone)",
        }
        return f"begins{origins.get(event.origin, '')}"

    def _decision_lines(self, event: Decided) -> list[str]:
        rung = self._rungs.pop(event.trial, None)
        if event.decision == "stop":
            self._stopped[event.trial] = event.reason
        if event.trial in self._paused and event.decision == "continue":
            self._paused.discard(event.trial)
            return [
                f"trial {event.trial} continues from {self._place(event.rung)} ({_one_line(event.reason)})"
            ]
        if event.decision == "pause":
            self._paused.add(event.trial)
        verdict = f"-> {event.decision}{_decider(event)} ({_one_line(event.reason)})"
        if rung is not None and rung.rung == event.rung:
            return [f"{self._rung(rung)} {verdict}"]
        late = [] if rung is None else [self._rung(rung)]
        return [*late, f"trial {event.trial} {self._place(event.rung)} {verdict}"]

    def _finish_lines(self, event: TrialFinished) -> list[str]:
        rung = self._rungs.pop(event.trial, None)
        shown = self._stopped.pop(event.trial, None)
        self._paused.discard(event.trial)
        if event.status == "stopped" and shown == event.reason:
            return []
        if event.status == "completed" and rung is not None:
            return [f"{self._rung(rung)} -> completed ({_one_line(event.reason)})"]
        values = self._values(event.metrics, {})
        line = f"trial {event.trial} {event.status}: {_one_line(event.reason)}" + (values and f" ({values})")
        return [line] if rung is None else [self._rung(rung), line]

    def _end_line(self, event: SearchEnded) -> str:
        message = f" ({_one_line(event.message)})" if event.message else ""
        best = "" if event.recommended is None else f"; recommended trial {event.recommended}"
        counts = wording.counted(self._progress.counts | _NOT_FINISHED) or "no trial finished"
        held = len(self._progress.state.held)
        left = len(self._progress.state.unfinished) - held
        unfinished = (f", {held} paused by hand" if held else "") + (f", {left} unfinished" if left else "")
        repeated = self._progress.repetitions_finished
        confirmed = f"; {wording.plural(repeated, 'repetition')} of candidates" if repeated else ""
        limit = spending(self._progress.state).ended_by if self._progress.state.started else None
        ended_by = f"; ended by {limit}" if limit else ""
        return f"search {event.reason}{message}: {counts}{unfinished}{confirmed}{ended_by}{best}"

    def _rung(self, event: RungReached) -> str:
        values = self._values(event.metrics, event.intervals)
        return f"trial {event.trial} {self._place(event.rung)} step {event.step}" + (values and f": {values}")

    def _place(self, rung: int) -> str:
        return f"rung {rung + 1}/{self._config.budget.rungs}"

    def _values(
        self, metrics: Mapping[str, float], intervals: Mapping[str, Interval], more: Sequence[str] = ()
    ) -> str:
        """The measured objectives in their order, then further metrics."""
        bounds = {objective.metric: bound_of(objective) for objective in self._config.objectives}
        return " ".join(
            f"{name} {wording.measured(metrics[name], intervals.get(name), bounds.get(name))}"
            for name in dict.fromkeys([*bounds, *more])
            if name in metrics
        )


def restore_line(progress: Progress) -> str:
    """What a resumed search already has, in one line."""
    counts, repeated = progress.counts, progress.repetitions_finished
    paused = f" and {counts['paused']} paused" if counts["paused"] else ""
    confirmed = f", {wording.plural(repeated, 'repetition')} of candidates" if repeated else ""
    done = wording.counted(counts | _NOT_FINISHED)
    return (
        f"recorded so far: {progress.finished} of {wording.plural(progress.trials, 'trial')} finished"
        f"{done and f' ({done})'}, {len(progress.running)} unfinished{paused}{confirmed}, "
        f"{wording.plural(progress.steps, 'optimizer step')} trained"
    )


def _decider(event: Decided) -> str:
    """Who decided, where it was not the scheduler."""
    named = {"scheduler": "", "confirmation": "", "limits": " by limits", "hand": " by hand"}
    return named.get(event.by, f" by guard {event.by}")


def _one_line(text: str) -> str:
    return " ".join(text.split())
