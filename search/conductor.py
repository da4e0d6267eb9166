"""Conducts a search: which trial runs next, what a report means, and what is recorded when.

Knows nothing of Ray. Every event is recorded before anything that depends on it happens, and the state
is rebuilt from a record by going through its events in the same order, so that a search that was
killed continues as if nothing had happened.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any

from search.allowance import Allowance
from search.config.schema import SearchConfig
from search.guards import make_guards
from search.judging.early import NOT_MEASURED, early_rungs, is_ranked, ranked_values
from search.judging.front import FrontEvaluations, has_front_metrics
from search.judging.racing import Repeat, Repetitions
from search.judging.relative import relative_metrics, with_ratio_intervals, with_ratios
from search.judging.rungs import rungs_of
from search.next_request import next_request
from search.record import (
    Decided,
    Event,
    Failed,
    FrontMeasured,
    RungReached,
    SearchState,
    TrialFinished,
    TrialProposed,
    TrialState,
    WarmStarted,
)
from search.record.clock import now
from search.record.events import Decision, Origin, Params, TrialStatus
from search.schedulers import Promotion, Scheduler, Verdict
from search.schedulers.recorded import with_decisions
from search.searchers import Searcher
from search.searchers.base import TrialOutcome
from search.space import SearchSpace
from trainables.errors import UserError
from trainables.interval import Interval
from trainables.measured import Measured, Trained, TrialMeasured
from trainables.messages import Reply, TrialRequest
from trainables.trainable import BASE

HAND = "hand"
_MAX_LOSSES = 3
_USUAL = ("scheduler", "confirmation", "limits")
"""Who stops trials that nothing is wrong with."""

_ENDINGS: dict[str, tuple[TrialStatus, str]] = {
    "diverged": ("diverged", "diverged"),
    "spike": ("diverged", "spike"),
    "out_of_memory": ("infeasible", "out_of_memory"),
    "user": ("failed", "user"),
    "crashed": ("failed", "crashed"),
    "worker_lost": ("failed", "worker_lost"),
}
"""Status and failure class of a trial by the outcome of its request."""


class Conductor:
    """The decisions of one search, in order.

    Args:
        config: The search.
        space: Its space.
        searcher: Proposes; fresh.
        scheduler: Decides at rungs; fresh.
        append: Records an event and returns when it is on disk.
        events: The record so far.
        clock: Seconds since the epoch, which nobody can set; events bear its time, and limits count by it.
        front: Whether trials on the Pareto front are evaluated on skills that only they are.
        steps: Optimizer steps of a trial by its parameters, for a budget that is `by_trial`. It raises
            `UserError` for parameters that no trial can be trained with.

    Attributes:
        aborted: Why the session ends early; None where it does not.
        state: As recorded.
    """

    def __init__(
        self,
        config: SearchConfig,
        space: SearchSpace,
        searcher: Searcher,
        scheduler: Scheduler,
        append: Callable[[Event], None],
        events: Iterable[Event] = (),
        clock: Callable[[], float] = now,
        *,
        front: bool = True,
        steps: Callable[[Params], int] | None = None,
    ) -> None:
        self._config = config
        self.space = space
        self._searcher = searcher
        self._scheduler = scheduler
        self._append = append
        self._guards = make_guards(config)
        self._relative = relative_metrics(config.metrics)
        self._front = FrontEvaluations(front and has_front_metrics(config.metrics), _MAX_LOSSES)
        self._budget, self._steps = config.budget, steps
        self._losses: Counter[int] = Counter()
        self._exhausted = False
        self._repetitions = Repetitions(config)
        self.aborted: str | None = None
        self.state = SearchState()
        self._allowance = Allowance(config, self.state, clock, self._repetitions)
        verdicts: dict[int, Verdict] = {}
        for event, decision in with_decisions(events, self._budget.rungs):
            self._replay(event, decision, verdicts)
        self._allowance.open_session()
        self._finish_interrupted(verdicts)
        held = self.state.paused | self.state.held | self.state.pausing
        self._waiting = deque(number for number in self.state.unfinished if number not in held)

    def _replay(self, event: Event, decision: Decision | None, verdicts: dict[int, Verdict]) -> None:
        self.state.apply(event)
        match event:
            case WarmStarted():
                self._searcher.begin(event)
            case TrialProposed() if event.repeats is None:
                self._searcher.replay(event.trial, event.sampled, event.origin)
            case RungReached() if not self._ranks(event):
                pass  # a repetition, or not measured
            case RungReached() if decision is not None:
                self._scheduler.recall(event.trial, event.rung, event.metrics, event.intervals, decision)
            case RungReached():
                verdicts[event.trial] = self._ask_scheduler(event)
            case Decided() if event.decision != "pause":
                self._scheduler.promoted(event.trial, event.rung)
            case TrialFinished():
                self._observe(event)

    def _finish_interrupted(self, verdicts: dict[int, Verdict]) -> None:
        """Records decisions that a kill cut off between a rung and what follows from it."""
        for trial in list(self.state.unfinished.values()):
            last = trial.last
            if trial.proposed.steps is None and (problem := self._count_steps(trial.params)[1]):
                self._finish(trial.number, "failed", problem, "user")
            elif last is not None and last.rung not in trial.decisions:
                self._conclude(last, *self._judge(last, verdicts.get(trial.number)))
            elif last is not None and trial.decisions[last.rung].decision == "stop":
                self._stop(trial.decisions[last.rung])

    def warm_start(self, event: WarmStarted) -> None:
        """Takes over what an earlier search has found; before the first trial."""
        self._record(event)
        self._searcher.begin(event)

    def next_trial(self) -> int | None:
        """Number of the trial to run now.

        A trial that was interrupted or paused, a new trial, a repetition, or a trial on the Pareto front
        whose remaining evaluations are due.

        Returns:
            None where there is nothing to start now. There may be later, when a trial has finished,
            unless `finished`.
        """
        if self.aborted is not None:
            return None
        if self._waiting:
            return self._waiting.popleft()
        if (number := self._promote()) is not None:
            return number
        if (number := self._next_proposal()) is not None:
            return number
        state = self.state
        waiting = state.paused | state.held
        if any(trial.confirms is None for n, trial in state.unfinished.items() if n not in waiting):
            return None  # what they find may promote a paused trial, and decides what is repeated
        for number in sorted(state.paused - state.held):
            self._finish(
                number, "stopped", self._allowance.spent() or "not promoted by the end of the search"
            )
        repeat = self._repeat()
        return self._ask_front() if repeat is None else repeat

    def _next_proposal(self) -> int | None:
        """The searcher's next trial that can be trained."""
        while self._searching:
            number = len(self.state.trials)
            proposal = self._searcher.propose(number)
            if proposal is None:
                self._exhausted = True
            elif self._propose(number, proposal.sampled, proposal.origin) in self.state.unfinished:
                return number
        return None

    def _ask_front(self) -> int | None:
        """Begins to ask the next trial on the front, once nothing is in training that could change it."""
        number = None if self._under_way else self._due_on_front()
        if number is not None:
            self._front.begin(number)
        return number

    def _due_on_front(self) -> int | None:
        return None if self._allowance.spent(reserve=False) else self._front.due(self.state)

    def _promote(self) -> int | None:
        """The paused trial that the scheduler continues now."""
        while not self._allowance.spent() and (promotion := self._scheduler.promote()) is not None:
            if promotion.trial not in self.state.paused:
                return None
            self._continue(promotion)
            if promotion.trial not in self.state.held:
                return promotion.trial
        return None

    def _continue(self, promotion: Promotion, by: str = "scheduler") -> None:
        """Records that a paused trial continues."""
        trial, rung = promotion.trial, promotion.rung
        self._record(Decided(trial=trial, rung=rung, decision="continue", by=by, reason=promotion.reason))
        self._scheduler.promoted(trial, rung)

    def _propose(
        self, number: int, sampled: Params, origin: Origin, seed: int | None = None, **asked: Any
    ) -> int:
        params = self.space.resolve(sampled, number, self._config.seed)
        if seed is not None:
            params["seed"] = seed
        steps, problem = self._count_steps(params)
        self._record(
            TrialProposed(trial=number, sampled=sampled, params=params, origin=origin, steps=steps, **asked)
        )
        if problem:
            self._finish(number, "failed", problem, "user")
        return number

    def _count_steps(self, params: Params) -> tuple[int | None, str]:
        """A trial's own number of steps, or why it cannot be trained; neither where the budget says it."""
        if not self._budget.by_trial:
            return None, ""
        assert self._steps is not None
        try:
            return self._steps(params), ""
        except UserError as error:
            return None, str(error)

    def _repeat(self) -> int | None:
        """Begins the next repetition of a candidate, once the search phase is over."""
        repeat = self._next_repeat()
        if repeat is None:
            return None
        sampled = self.state.trials[repeat.trial].proposed.sampled
        number = len(self.state.trials)
        return self._propose(number, dict(sampled), "confirmation", repeat.seed, repeats=repeat.trial)

    def _next_repeat(self) -> Repeat | None:
        return None if self._allowance.spent(reserve=False) else self._repetitions.next(self.state)

    @property
    def _searching(self) -> bool:
        """Whether the searcher may propose more."""
        return not (self._exhausted or self.state.searched >= self._config.trials or self._allowance.spent())

    def rungs(self, number: int) -> tuple[int, ...]:
        """Step of each rung of a trial, ascending."""
        return rungs_of(self._budget, self.state.trials[number])

    def has_work(self) -> bool:
        """Whether there is a trial to run; one that this takes proposing is kept for `next_trial`."""
        if self._searching and not self.state.trials:
            return True  # the first one begins when there is a group for it
        if (number := self.next_trial()) is not None:
            self._waiting.appendleft(number)
        return number is not None

    @property
    def finished(self) -> bool:
        """No trial is unfinished and none is left to start, or the search was aborted."""
        if self.aborted is not None:
            return True
        left = self._under_way or self._searching or self._next_repeat() or self._front
        return not left and self._due_on_front() is None

    @property
    def _under_way(self) -> bool:
        """Whether a trial is unfinished that no user has paused."""
        return len(self.state.unfinished) > len(self.state.held)

    def request(self, number: int) -> TrialRequest:
        """What comes next: from the last rung to the one after, or the evaluation of the front."""
        trial = self.state.trials[number]
        early = early_rungs(self._config, self.state, trial)
        return next_request(trial, self.rungs(number), number in self._front, early)

    def report(self, number: int, reply: Reply) -> bool:
        """Takes what came of the trial's request.

        Returns:
            True if the trial continues to its next rung, False if it has finished.
        """
        trial = self.state.trials[number]
        if number in self._front:
            self._take_front(number, reply)
            return False
        if trial.finished is not None:  # a user has cancelled it
            return False
        if reply.outcome != "ok":
            self._end_early(trial, reply)
            return False
        event = RungReached(trial=number, rung=len(trial.rungs), **self._measured(reply, Trained))
        self._record(event)
        return self._conclude(event, *self._judge(event)) and number not in self.state.held

    def lose(self, number: int, message: str) -> None:
        """A trial's request was lost: the trial continues from its last rung.

        That is not its own doing, and never ends it. After 3 times the session ends; the next one goes on.
        """
        trial = self.state.trials[number]
        if trial.finished is not None and number not in self._front:
            return
        self._record(Failed(trial=number, failure_class="worker_lost", message=message))
        if number in self._front:
            if self._allowance.spent(reserve=False) is not None:
                self._front.end(number, measured=False)
            elif self._front.lose(number):
                self._waiting.append(number)
            return
        self._losses[number] += 1
        if number in self.state.held:
            return
        if self._losses[number] > _MAX_LOSSES:
            self.abort(f"the request of trial {number} was lost {self._losses[number]} times: {message}")
        else:
            self._waiting.append(number)

    def _measured(self, reply: Reply, kind: type[Measured]) -> dict[str, Any]:
        """What a reply has measured, with the ratios to the base."""
        ratios = {"metrics": self.with_retention(reply.metrics), "intervals": self.intervals(reply)}
        return reply.as_fields(kind) | ratios

    def _take_front(self, number: int, reply: Reply) -> None:
        measured = reply.outcome == "ok"
        if measured:
            event: Event = FrontMeasured(trial=number, **self._measured(reply, TrialMeasured))
        else:
            message = f"asked on the front: {reply.message}"
            event = Failed(trial=number, failure_class=reply.outcome, message=message)
        self._record(event)
        self._front.end(number, measured=measured)

    def cancel(self, number: int, reason: str) -> None:
        """Ends an unfinished trial as a user wishes; what it is then answered is not taken any more."""
        self.set_aside(number)
        self._finish(number, "cancelled", reason)

    def set_aside(self, number: int) -> bool:
        """Takes a trial out of those to run next; returns whether it is not in training."""
        if number in self._waiting:
            self._waiting.remove(number)
            return True
        return number in self.state.paused

    def resume(self, number: int, reason: str) -> None:
        """Has a trial run that a user or the scheduler has paused."""
        last = self.state.trials[number].last
        if number in self.state.paused and last is not None:
            self._continue(Promotion(number, last.rung, reason), HAND)
        if number not in self.state.pausing:
            self._waiting.append(number)

    def clone(self, sampled: Params, request: str) -> int:
        """Begins a trial that no searcher has proposed; the searcher learns from it as from its own.

        Args:
            sampled: A point of the space.
            request: Identifier of the request that asks for it.
        """
        number = len(self.state.trials)
        self._searcher.replay(number, sampled, "clone")
        if self._propose(number, sampled, "clone", request=request) in self.state.unfinished:
            self._waiting.append(number)
        return number

    @property
    def spent(self) -> str | None:
        """The limit that is reached, in words; None while new trials may begin."""
        return self._allowance.spent()

    def cut(self, number: int, reason: str, by: str) -> None:
        """Ends an unfinished trial at its last rung for a reason from outside; it counts as stopped.

        Args:
            number: The trial.
            reason: In words.
            by: Who ends it, in one word.
        """
        last = self.state.trials[number].last
        if last is not None:
            self._record(Decided(trial=number, rung=last.rung, decision="stop", by=by, reason=reason))
            self._scheduler.promoted(number, last.rung)
        self._finish(number, "stopped", reason, by)

    def abort(self, message: str, failure_class: str = "worker_lost") -> None:
        """Ends the session: nothing is left that could train. Unfinished trials stay so, for the next one.

        Only the first reason counts; what follows from it comes for every trial that was in training.
        """
        if self.aborted is None:
            self._record(Failed(trial=None, failure_class=failure_class, message=message))
            self.aborted = message

    def with_retention(self, metrics: dict[str, float]) -> dict[str, float]:
        """Adds the ratios to the base."""
        return with_ratios(metrics, self.state.baselines.get(BASE), self._relative)

    def intervals(self, reply: Reply) -> dict[str, Interval]:
        """The reply's intervals, and those of the ratios to the base."""
        base = self.state.baselines.get(BASE)
        return with_ratio_intervals(reply.intervals, reply.items, base, self._relative)

    def _ranks(self, event: RungReached) -> bool:
        trial = self.state.trials[event.trial]
        return trial.confirms is None and is_ranked(self._config.objectives, event)

    def _ask_scheduler(self, event: RungReached) -> Verdict:
        return self._scheduler.report(event.trial, event.rung, event.metrics, event.intervals)

    def _judge(self, event: RungReached, verdict: Verdict | None = None) -> tuple[Verdict, str]:
        """The verdict about a trial at a rung, and whose it is.

        Args:
            event: The rung.
            verdict: What the scheduler has said of this very report, which must not be made twice.
        """
        repeats = self.state.trials[event.trial].confirms
        if self._ranks(event):
            verdict = verdict or self._ask_scheduler(event)
        for name, guard in self._guards.items() if event.measured else ():
            if (reason := guard(event, self.state)) is not None:
                return Verdict("stop", reason), name
        if (limit := self._allowance.spent(reserve=repeats is None)) is not None:
            return Verdict("stop", limit), "limits"
        if repeats is not None:
            return Verdict("continue", f"repeats trial {repeats}"), "confirmation"
        return verdict or Verdict("continue", NOT_MEASURED), "scheduler"

    def _conclude(self, event: RungReached, verdict: Verdict, by: str) -> bool:
        """Records the decision at a rung and, where it ends the trial, the end."""
        if event.rung + 1 == self._budget.rungs:
            if by in self._guards:  # too late to stop it, but not to say so: it will not be recommended
                self._finish(event.trial, "completed", f"full budget; {verdict.reason}", by)
            else:
                self._finish(event.trial, "completed", "full budget")
            return False
        decided = Decided(
            trial=event.trial, rung=event.rung, decision=verdict.decision, by=by, reason=verdict.reason
        )
        self._record(decided)
        if decided.decision != "pause":
            self._scheduler.promoted(event.trial, event.rung)
        if decided.decision == "stop":
            self._stop(decided)
        return decided.decision == "continue"

    def _stop(self, decided: Decided) -> None:
        cause = None if decided.by in _USUAL else decided.by
        self._finish(decided.trial, "stopped", decided.reason, cause)

    def _end_early(self, trial: TrialState, reply: Reply) -> None:
        status, failure_class = _ENDINGS[reply.outcome]
        self._finish(trial.number, status, reply.message, failure_class, reply.metrics)

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
        """Tells the searcher what came of a trial; repetitions teach it nothing."""
        trial = self.state.trials[event.trial]
        if trial.confirms is not None:
            return
        if trial.last is not None:
            self._scheduler.promoted(trial.number, trial.last.rung)  # not any more, if it was paused
        rungs = ranked_values(self._config.objectives, trial.rungs)
        status = "cancelled" if event.status == "stopped" and trial.rungs and not rungs else event.status
        self._searcher.observe(TrialOutcome(event.trial, status, rungs))

    def _record(self, event: Event) -> None:
        event = event.model_copy(update={"time": self._allowance.now()})
        self._append(event)
        self.state.apply(event)
