"""How far a search is: its state, counts and pace, kept up with every event at constant cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from analysis.pareto import ParetoTrial, pareto_front
from search.config.schema import SearchConfig
from search.record import Event, RungReached, SearchState, TrialFinished, TrialProposed, TrialState

STATUSES = ("running", "completed", "stopped", "diverged", "infeasible", "failed")


class Progress:
    """Follows a search. Not thread-safe.

    Args:
        config: The search.
        trials: Number of trials asked for.
        clock: Seconds since the epoch.
    """

    def __init__(self, config: SearchConfig, trials: int, clock: Callable[[], float]) -> None:
        self.config = config
        self.trials = trials
        self.clock = clock
        self.began = clock()
        self.state = SearchState()
        self.steps = 0
        self.train_seconds = 0.0
        self.eval_seconds = 0.0
        self._counts: Counter[str] = Counter()
        self._running: dict[int, TrialState] = {}
        self._finished_steps = 0
        self._session_steps = 0
        self._work_began: float | None = None
        self._front: tuple[ParetoTrial, ...] | None = ()

    def restore(self, state: SearchState) -> None:
        """Takes over a recorded state, as a copy."""
        self.state = _copy(state)
        for trial in self.state.trials.values():
            last = trial.last
            self.steps += last.step if last else 0
            self.train_seconds += sum(rung.train_seconds for rung in trial.rungs)
            self.eval_seconds += sum(rung.eval_seconds for rung in trial.rungs)
            if trial.finished is None:
                self._running[trial.number] = trial
            else:
                self._finish(trial)
        self._front = None

    def apply(self, event: Event) -> None:
        """Takes one event into account."""
        before = self._step_of(event.trial) if isinstance(event, RungReached) else 0
        self.state.apply(event)
        match event:
            case TrialProposed():
                self._running[event.trial] = self.state.trials[event.trial]
                self._work_began = self._work_began or event.time
            case RungReached():
                self.steps += event.step - before
                self._session_steps += event.step - before
                # A resumed search may begin with a rung of a trial that was proposed before.
                self._work_began = self._work_began or event.time - event.train_seconds - event.eval_seconds
                self.train_seconds += event.train_seconds
                self.eval_seconds += event.eval_seconds
            case TrialFinished():
                self._finish(self._running.pop(event.trial))
                if event.status == "completed":
                    self._front = None

    def _finish(self, trial: TrialState) -> None:
        self._counts[trial.status] += 1
        self._finished_steps += trial.last.step if trial.last else 0

    def _step_of(self, trial: int) -> int:
        last = self.state.trials[trial].last
        return last.step if last else 0

    @property
    def running(self) -> list[TrialState]:
        """Unfinished trials, in the order in which they began."""
        return list(self._running.values())

    @property
    def finished(self) -> int:
        """Number of finished trials."""
        return self._counts.total()

    @property
    def counts(self) -> dict[str, int]:
        """Number of trials by status, those that are still running among them."""
        return {status: self._counts[status] for status in STATUSES} | {"running": len(self._running)}

    @property
    def most_steps(self) -> int:
        """Optimizer steps of all trials asked for, were each trained to the full budget."""
        return self.trials * self.config.budget.steps

    @property
    def front(self) -> tuple[ParetoTrial, ...]:
        """Pareto-optimal trials so far; computed only after another has completed."""
        if self._front is None:
            self._front = pareto_front(self.state)
        return self._front

    @property
    def elapsed(self) -> float:
        """Seconds since this session began."""
        return self.clock() - self.began

    def seconds_left(self) -> float | None:
        """Expected time to the end, or None before any rung of this session.

        Trials to come are taken to be trained for as long as the finished ones were on average, and
        every step to take what this session's steps took, evaluation and waiting included.
        """
        if self._work_began is None or not self._session_steps:
            return None
        mean = self._finished_steps / self.finished if self.finished else self.config.budget.steps
        to_come = max(self.trials - len(self.state.trials), 0) * mean
        begun = sum(max(mean - self._step_of(number), 0) for number in self._running)
        pace = (self.clock() - self._work_began) / self._session_steps
        return max(to_come + begun, 0) * pace


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
        baselines=dict(state.baselines),
        trials=trials,
        failures=list(state.failures),
    )
