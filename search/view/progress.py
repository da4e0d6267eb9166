"""How far a search is: its state, counts and pace, updated with every event at constant cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from search.config.schema import SearchConfig
from search.judging.front import has_front_metrics, on_front
from search.judging.pareto import ParetoTrial, pareto_front
from search.judging.racing import candidates
from search.judging.spending import usage
from search.record import (
    Decided,
    Event,
    FrontMeasured,
    RungReached,
    SearchState,
    TrialFinished,
    TrialProposed,
    TrialState,
)
from trainables.trainable import MetricSpec

STATUSES = ("running", "paused", "completed", "stopped", "cancelled", "diverged", "infeasible", "failed")

_HELDOUT_LOSS = "heldout_loss"


def shown_metrics(metrics: Sequence[MetricSpec]) -> tuple[str, ...]:
    """What tables show beside the objectives: the held-out loss, and what is compared with the base."""
    names = [metric.name for metric in metrics if metric.relative is not None]
    names += [metric.name for metric in metrics if metric.name == _HELDOUT_LOSS]
    return tuple(sorted(names, key=lambda name: name != _HELDOUT_LOSS))


class Progress:
    """Follows a search. Not thread-safe.

    Args:
        config: The search.
        trials: Number of trials asked for.
        clock: Seconds since the epoch.
    """

    def __init__(self, config: SearchConfig, trials: int, clock: Callable[[], float]) -> None:
        self.config = config
        self._asked = trials
        self.clock = clock
        self.began = clock()
        self.state = SearchState()
        self.steps = 0
        self.train_seconds = 0.0
        self.eval_seconds = 0.0
        self.repeated: Counter[int] = Counter()
        self.repetitions_finished = 0
        self.limit: str | None = None
        self._counts: Counter[str] = Counter()
        self._running: dict[int, TrialState] = {}
        self._finished_steps = 0
        self._ended_steps = 0
        self._session_steps = 0
        self._work_began: float | None = None
        self._front: tuple[ParetoTrial, ...] | None = ()
        self._on_front: tuple[int, int] | None = None
        metrics = config.metrics
        self._has_front = has_front_metrics(metrics)
        self.shown = shown_metrics(metrics)

    @property
    def trials(self) -> int:
        """Number of trials that there will be without repetitions: those asked for, and clones."""
        return self._asked + self.state.clones

    def restore(self, state: SearchState) -> None:
        """Starts from a copy of a recorded state."""
        self.state = _copy(state)
        for trial in self.state.trials.values():
            last = trial.last
            self.steps += last.step if last else 0
            self.train_seconds += trial.train_seconds
            self.eval_seconds += trial.eval_seconds
            self._begin(trial)
            if trial.finished is not None:
                self._finish(self._running.pop(trial.number))
        self._front = None

    def apply(self, event: Event) -> None:
        """Updates the state with one event."""
        before = self._step_of(event.trial) if isinstance(event, RungReached) else 0
        self.state.apply(event)
        match event:
            case TrialProposed():
                self._begin(self.state.trials[event.trial])
                self._work_began = self._work_began or event.time
            case RungReached():
                self.steps += event.step - before
                self._session_steps += event.step - before
                # A resumed search may begin with a rung of a trial that was proposed before.
                self._work_began = self._work_began or event.time - event.train_seconds - event.eval_seconds
                self.train_seconds += event.train_seconds
                self.eval_seconds += event.eval_seconds
            case FrontMeasured():
                self.eval_seconds += event.eval_seconds
                self._on_front = None
            case Decided() if event.by == "limits":
                self.limit = event.reason
            case TrialFinished():
                self._finish(self._running.pop(event.trial))
                self._on_front = None
                if event.status == "completed":
                    self._front = None

    def _begin(self, trial: TrialState) -> None:
        self._running[trial.number] = trial
        if trial.confirms is not None:
            self.repeated[trial.confirms] += 1

    def _finish(self, trial: TrialState) -> None:
        self._ended_steps += trial.last.step if trial.last else 0
        if trial.confirms is not None:
            self.repetitions_finished += 1
            return
        self._counts[trial.status] += 1
        self._finished_steps += trial.last.step if trial.last else 0

    def _step_of(self, trial: int) -> int:
        last = self.state.trials[trial].last
        return last.step if last else 0

    @property
    def running(self) -> list[TrialState]:
        """Unfinished trials and repetitions that are not paused, in the order in which they began."""
        waiting = self.state.paused | self.state.held
        return [trial for trial in self._running.values() if trial.number not in waiting]

    @property
    def finished(self) -> int:
        """Number of finished trials; repetitions are not counted."""
        return self._counts.total()

    @property
    def counts(self) -> dict[str, int]:
        """Number of trials by status, those that are running or paused among them; no repetitions."""
        running = sum(trial.confirms is None for trial in self.running)
        return {status: self._counts[status] for status in STATUSES} | {
            "running": running,
            "paused": len(self.state.paused | self.state.held),
        }

    @property
    def confirming(self) -> bool:
        """Whether a repetition has begun."""
        return bool(self.repeated)

    @property
    def repetitions(self) -> int:
        """Largest number of repetitions that there can be."""
        confirm = self.config.confirm
        chosen = confirm.candidates
        if self.confirming:
            chosen = len({trial.number for trial in candidates(self.config, self.state)} | set(self.repeated))
        return max(chosen * confirm.seeds, self.repeated.total())

    @property
    def most_steps(self) -> int:
        """Optimizer steps there can be: those of ended trials, and the full budget of every other one."""
        if self.state.ended is not None:
            return self.steps
        left = max(self.trials - self.finished, 0) + max(self.repetitions - self.repetitions_finished, 0)
        return round(self._ended_steps + left * self._full_steps())

    def _full_steps(self) -> float:
        """Steps of a full budget; where each trial has its own, their mean so far."""
        if not self.config.budget.by_trial:
            return self.config.budget.full_steps
        known = [trial.proposed.steps or 0 for trial in self.state.trials.values()]
        return sum(known) / max(1, len(known))

    @property
    def spent(self) -> list[tuple[str, float, float]]:
        """Name of each limit that is set, what is spent of it until now, and the limit."""
        limits, used = self.config.limits, usage(self.state, self.clock())
        cost = used.node_hours * (limits.price or 0.0)
        values = (
            ("h", used.hours, limits.hours),
            ("device-hours", used.device_hours, limits.device_hours),
            ("cost", cost, limits.cost),
        )
        return [(name, value, limit) for name, value, limit in values if limit is not None]

    @property
    def front(self) -> tuple[ParetoTrial, ...]:
        """Pareto-optimal trials so far; computed only after another has completed."""
        if self._front is None:
            self._front = pareto_front(self.state)
        return self._front

    @property
    def on_front(self) -> tuple[int, int]:
        """How many trials have been evaluated on the skills with `at: front`, and how many will be.

        (0, 0) where there are no such skills, or while trials of the search run.
        """
        if not self._has_front or self._running:
            return 0, 0
        if self.finished < self.trials and not any(trial.front for trial in self.state.trials.values()):
            return 0, 0
        if self._on_front is None:
            chosen = [self.state.trials[number] for number in on_front(self.state)]
            self._on_front = sum(trial.front is not None for trial in chosen), len(chosen)
        return self._on_front

    @property
    def elapsed(self) -> float:
        """Seconds since this session began."""
        return self.clock() - self.began

    def seconds_left(self) -> float | None:
        """Expected time to the end, or None before any rung of this session.

        Trials to come are taken to be trained for as long as the finished ones were on average,
        repetitions to the full budget, and every step to take what this session's steps took, evaluation
        and waiting included. It is no more than the limits leave.
        """
        if self._work_began is None or not self._session_steps:
            return None
        full = self._full_steps()
        mean = self._finished_steps / self.finished if self.finished else full
        to_come = max(self._asked - self.state.searched, 0) * mean
        to_come += max(self.repetitions - self.repeated.total(), 0) * full
        begun = sum(
            max((mean if trial.confirms is None else full) - self._step_of(trial.number), 0)
            for trial in self.running
        )
        pace = (self.clock() - self._work_began) / self._session_steps
        return min([max(to_come + begun, 0) * pace, *self._limited()])

    def _limited(self) -> list[float]:
        """Seconds until each limit is reached, at the rate at which it was spent so far."""
        hours = usage(self.state, self.clock()).hours
        return [max(0.0, 3600 * hours * (limit / used - 1)) for _, used, limit in self.spent if used > 0]


def _copy(state: SearchState) -> SearchState:
    """A state that can be changed on its own; events are immutable and shared."""
    trials = {
        number: replace(
            trial,
            rungs=list(trial.rungs),
            decisions=dict(trial.decisions),
            failures=list(trial.failures),
        )
        for number, trial in state.trials.items()
    }
    return replace(
        state,
        sessions=list(state.sessions),
        spans=[replace(span) for span in state.spans],
        unfinished={number: trials[number] for number in state.unfinished},
        paused=set(state.paused),
        held=set(state.held),
        pausing=set(state.pausing),
        answered=set(state.answered),
        baselines=dict(state.baselines),
        trials=trials,
        failures=list(state.failures),
    )
