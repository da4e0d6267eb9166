"""Conducts a search: which trial runs next, what a report means, and what is recorded when.

Knows nothing of Ray. Every event is recorded before anything that depends on it happens, and the state
is rebuilt from a record by going through its events in the same order, so that a search that was
killed goes on as if nothing had happened.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from search.config.schema import SearchConfig
from search.measurement import Outcome, constraint_violations
from search.record import (
    Decided,
    Event,
    Failed,
    Interval,
    RungReached,
    SearchState,
    TrialFinished,
    TrialProposed,
    TrialState,
)
from search.record.events import TrialStatus
from search.schedulers import Scheduler, Verdict
from search.searchers import Searcher
from search.space import SearchSpace
from trainables.messages import Reply, TrainRequest, checkpoint_folder


@dataclass(frozen=True)
class _Ending:
    status: TrialStatus
    failure_class: str


_MAX_LOSSES = 3
_ENDINGS = {
    "diverged": _Ending("diverged", "diverged"),
    "out_of_memory": _Ending("infeasible", "out_of_memory"),
    "user": _Ending("failed", "user"),
    "worker_lost": _Ending("failed", "worker_lost"),
}


class Conductor:
    """The decisions of one search, in order.

    Args:
        config: The search.
        space: Its space.
        searcher: Proposes; fresh.
        scheduler: Decides at rungs; fresh.
        append: Records an event and returns when it is on disk.
        events: The record so far.
    """

    def __init__(
        self,
        config: SearchConfig,
        space: SearchSpace,
        searcher: Searcher,
        scheduler: Scheduler,
        append: Callable[[Event], None],
        events: Iterable[Event] = (),
    ) -> None:
        self._config = config
        self._space = space
        self._searcher = searcher
        self._scheduler = scheduler
        self._append = append
        self._rungs = config.budget.rung_steps
        self._exhausted = False
        self.aborted: str | None = None
        self.state = SearchState()
        verdicts: dict[int, Verdict] = {}
        for event in events:
            self._replay(event, verdicts)
        self._finish_interrupted(verdicts)
        self._waiting = deque(trial.number for trial in self.state.unfinished)

    def _replay(self, event: Event, verdicts: dict[int, Verdict]) -> None:
        self.state.apply(event)
        match event:
            case TrialProposed():
                self._searcher.replay(event.trial, event.sampled)
            case RungReached():
                verdicts[event.trial] = self._report_to_scheduler(event)
            case TrialFinished():
                self._observe(event)

    def _finish_interrupted(self, verdicts: dict[int, Verdict]) -> None:
        """Records decisions that a kill cut off between a rung and what follows from it."""
        for trial in self.state.unfinished:
            last = trial.last
            if last is not None:
                decided = trial.decisions.get(last.rung)
                self._conclude(last, verdicts[trial.number] if decided is None else None, decided)

    def next_trial(self) -> int | None:
        """Number of the trial to run now: one that was interrupted, or a new one.

        Returns:
            None where there is nothing to start: all trials asked for exist, or the searcher has no more.
        """
        if self.aborted is not None:
            return None
        if self._waiting:
            return self._waiting.popleft()
        number = len(self.state.trials)
        if self._exhausted or number >= self._config.trials:
            return None
        proposal = self._searcher.propose(number)
        if proposal is None:
            self._exhausted = True
            return None
        self._record(
            TrialProposed(
                trial=number,
                sampled=proposal.sampled,
                params=self._space.resolve(proposal.sampled, number, self._config.seed),
                origin=proposal.origin,
            )
        )
        return number

    def has_work(self) -> bool:
        """Whether there is a trial to run; one that this takes proposing is kept for `next_trial`."""
        number = self.next_trial()
        if number is not None:
            self._waiting.appendleft(number)
        return number is not None

    @property
    def finished(self) -> bool:
        """No trial is unfinished and none is left to start, or the search was aborted."""
        if self.aborted is not None:
            return True
        started = self._exhausted or len(self.state.trials) >= self._config.trials
        return started and not self.state.unfinished

    def request(self, number: int) -> TrainRequest:
        """What to train next for an unfinished trial: from its last rung to the one after."""
        trial = self.state.trials[number]
        rung = len(trial.rungs)
        last = trial.last
        return TrainRequest(
            trial=number,
            params=dict(trial.params),
            from_step=0 if last is None else last.step,
            to_step=self._rungs[rung],
            load_from=None if last is None else last.checkpoint,
            save_to=checkpoint_folder(number, rung),
        )

    def report(self, number: int, reply: Reply) -> bool:
        """Takes what came of the trial's request.

        Returns:
            True where the trial goes on to its next rung, False where it has finished.
        """
        trial = self.state.trials[number]
        if reply.outcome != "ok":
            self._end_early(trial, reply)
            return False
        event = RungReached(
            trial=number,
            rung=len(trial.rungs),
            step=reply.step,
            metrics=self.with_retention(reply.metrics),
            intervals=self._intervals(reply),
            curve=reply.curve,
            checkpoint=reply.checkpoint,
            train_seconds=reply.train_seconds,
            eval_seconds=reply.eval_seconds,
            group=reply.group,
            tokens=reply.tokens,
            padding=reply.padding,
            pack=reply.pack,
        )
        self._record(event)
        return self._conclude(event, self._report_to_scheduler(event), None)

    def lose(self, number: int, message: str) -> None:
        """Takes that a trial's request was lost: it goes on from its last rung, up to 3 times."""
        trial = self.state.trials[number]
        if trial.finished is not None:
            return
        self._record(Failed(trial=number, failure_class="worker_lost", message=message))
        if len(trial.failures) > _MAX_LOSSES:
            self._finish(number, "failed", message, "worker_lost")
        else:
            self._waiting.append(number)

    def abort(self, message: str) -> None:
        """Ends the session: nothing is left that could train. Unfinished trials stay so, for the next one."""
        self._record(Failed(trial=None, failure_class="worker_lost", message=message))
        self.aborted = message

    def with_retention(self, metrics: dict[str, float]) -> dict[str, float]:
        """Adds retention: capability as a share of the base model's."""
        base = self.state.baselines.get("base")
        if base is None or "capability" not in metrics:
            return dict(metrics)
        return metrics | {"retention": metrics["capability"] / base.metrics["capability"]}

    def _intervals(self, reply: Reply) -> dict[str, Interval]:
        found = {key: Interval(low=low, high=high, n=n) for key, (low, high, n) in reply.intervals.items()}
        base = self.state.baselines.get("base")
        if base is not None and "capability" in found:
            # The base answered the very same questions: its score is a fixed reference here.
            interval, scale = found["capability"], base.metrics["capability"]
            found["retention"] = Interval(low=interval.low / scale, high=interval.high / scale, n=interval.n)
        return found

    def _report_to_scheduler(self, event: RungReached) -> Verdict:
        return self._scheduler.report(event.trial, event.rung, event.metrics, event.intervals)

    def _conclude(self, event: RungReached, verdict: Verdict | None, decided: Decided | None) -> bool:
        """Records the decision at a rung and, where it ends the trial, the end."""
        if event.rung + 1 == len(self._rungs):
            self._finish(event.trial, "completed", "full budget")
            return False
        if decided is None:
            assert verdict is not None
            decided = Decided(
                trial=event.trial, rung=event.rung, decision=verdict.decision, reason=verdict.reason
            )
            self._record(decided)
        if decided.decision == "stop":
            self._finish(event.trial, "stopped", decided.reason)
            return False
        return True

    def _end_early(self, trial: TrialState, reply: Reply) -> None:
        ending = _ENDINGS[reply.outcome]
        self._finish(trial.number, ending.status, reply.message, ending.failure_class, reply.metrics)

    def _finish(
        self,
        number: int,
        status: TrialStatus,
        reason: str,
        failure_class: str | None = None,
        metrics: dict[str, float] | None = None,
    ) -> None:
        event = TrialFinished(
            trial=number, status=status, reason=reason, failure_class=failure_class, metrics=metrics or {}
        )
        self._record(event)
        self._observe(event)

    def _observe(self, event: TrialFinished) -> None:
        """Tells the searcher what came of a trial; only full-fidelity values are told as such."""
        last = self.state.trials[event.trial].last
        objectives = self._config.objectives
        values = None if last is None else tuple(last.metrics.get(o.metric, float("nan")) for o in objectives)
        completed = event.status == "completed"
        self._searcher.observe(
            Outcome(
                trial=event.trial,
                status=event.status,
                values=values if completed else None,
                partial=None if completed else values,
                rung=None if last is None else last.rung,
                violations=() if last is None else constraint_violations(objectives, last.metrics),
            )
        )

    def _record(self, event: Event) -> None:
        self._append(event)
        self.state.apply(event)
