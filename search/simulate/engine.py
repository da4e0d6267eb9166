"""An event-driven search: simulated workers, a virtual clock, and the real conductor."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

from search.conductor import Conductor
from search.config.schema import SearchConfig
from search.judging.conclusion import conclusion
from search.record import Event, SearchStarted, SearchState, SessionStarted, SlotsChosen
from search.record.explained import explanation
from search.resume import fingerprint
from search.schedulers import Scheduler, make_scheduler
from search.searchers import Searcher, make_searcher
from search.simulate.curves import Curves
from search.space import SearchSpace
from trainables.messages import Reply, TrainRequest

NOT_RECORDED = "curve"
"""Who decided (`Decided.by`) that a trial ends because its curve is not known any further."""


@dataclass(frozen=True)
class Simulated:
    """A search that was simulated.

    Attributes:
        events: Its record; times are simulated seconds from 0.
        state: The state that the record leads to.
        censored: Numbers of trials that would have been trained further than their curve is known.
        unmeasured: How often a trial would have been measured at a rung of which its curve says nothing.
    """

    events: list[Event]
    state: SearchState
    censored: tuple[int, ...]
    unmeasured: int = 0


def simulate(
    config: SearchConfig,
    curves: Curves,
    workers: int,
    events: Iterable[Event] = (),
    *,
    searcher: Searcher | None = None,
    scheduler: Scheduler | None = None,
    devices: int = 0,
    nodes: int = 1,
) -> Simulated:
    """Conducts a search whose trials are not trained but looked up.

    A worker trains one slice at a time, from one rung to the next, for as long as the slice's training and
    evaluation took. A worker keeps its trial while the trial continues; a free worker takes the next trial.
    After every report free workers look again, because the report may resume a paused trial. Equal
    arguments give equal records.

    Where a trial continues beyond its known curve, nothing is made up: it is stopped there by "curve" and
    counts as censored. The scheduler and the searcher know what was measured up to its last rung, as for
    any stopped trial.

    Args:
        config: The search. What only real workers need (the trainable's sections, tracking) is not looked at.
        curves: What training would give.
        workers: Number of trials in training at the same time.
        events: The record of a simulated search to resume.
        searcher: Proposes; None is the configured one.
        scheduler: Decides; None is the configured one.
        devices: GPUs or CPU workers of all workers together, for limits on device-hours.
        nodes: Nodes, for limits on cost.

    Raises:
        SpaceError: The configured searcher cannot search the space.
        ExpressionError: An expression of the space cannot be computed for a proposal.
    """
    space = SearchSpace(config.parameters, config.fixed)
    simulation = _Simulation(
        config,
        curves,
        searcher or make_searcher(config, space),
        scheduler or make_scheduler(config),
        space,
        list(events),
    )
    simulation.begin(workers, devices, nodes)
    simulation.run(workers)
    return simulation.end()


@dataclass(order=True)
class _Slice:
    """Training and evaluation from a rung to the next, by when it ends and then by when it began."""

    end: float
    sequence: int
    trial: int = field(compare=False)
    reply: Reply = field(compare=False)


class _Simulation:
    def __init__(
        self,
        config: SearchConfig,
        curves: Curves,
        searcher: Searcher,
        scheduler: Scheduler,
        space: SearchSpace,
        events: list[Event],
    ) -> None:
        self._config = config
        self._curves = curves
        self._events = events
        self._now = events[-1].time if events else 0.0
        self._conductor = Conductor(
            config,
            space,
            searcher,
            scheduler,
            events.append,
            list(events),
            clock=lambda: self._now,
            front=False,  # which decides nothing, and of which curves say nothing
        )
        self._due: list[_Slice] = []
        self._begun = 0
        self._unmeasured = 0
        self._more_at_last = any(metric.at == "last" for metric in config.metrics)

    def begin(self, workers: int, devices: int, nodes: int) -> None:
        """Records what a session records before its first trial."""
        config, state = self._config, self._conductor.state
        if state.started is None:
            self._append(
                SearchStarted(
                    time=self._now,
                    search_id="simulated",
                    config=config.model_dump(mode="json"),
                    fingerprints={"space": fingerprint(config)},
                    versions={},
                    trainable=explanation(config.trainable, config.options),
                )
            )
        self._append(
            SessionStarted(
                time=self._now,
                session=len(state.sessions),
                trials=config.trials,
                command="python -m search.simulate",
                host="simulated",
                pid=0,
            )
        )
        self._append(
            SlotsChosen(
                time=self._now,
                groups=workers,
                slots=1,
                reason="simulated workers train one trial at a time",
                devices=devices,
                nodes=nodes,
            )
        )
        base = self._curves.baseline
        if base is not None and base.name not in state.baselines:
            self._now += base.seconds
            self._append(base.model_copy(update={"time": self._now}))

    def run(self, workers: int) -> None:
        """Until no worker has anything to do."""
        free = workers
        while True:
            while free and self._start_next():
                free -= 1
            if not self._due:
                return
            ended = heapq.heappop(self._due)
            self._now = ended.end
            goes_on = self._conductor.report(ended.trial, ended.reply)
            free += not (goes_on and self._train(ended.trial))

    def end(self) -> Simulated:
        """Records the end."""
        state = self._conductor.state
        self._append(conclusion(state).model_copy(update={"time": self._now}))
        censored = (
            trial.number
            for trial in state.trials.values()
            if trial.finished is not None and trial.finished.failure_class == NOT_RECORDED
        )
        return Simulated(self._events, state, tuple(censored), self._unmeasured)

    def _start_next(self) -> bool:
        """Gives a free worker something to train; returns whether there was anything."""
        while (number := self._conductor.next_trial()) is not None:
            if self._train(number):
                return True
        return False

    def _train(self, number: int) -> bool:
        """Begins the trial's next slice, or ends the trial where its curve is not known that far."""
        request = self._conductor.request(number)
        assert isinstance(request, TrainRequest)  # no trial is evaluated on the front
        reply = self._curves.reply(request)
        if reply is None:
            reason = f"what step {request.to_step} would have given was not recorded"
            self._conductor.cut(number, reason, NOT_RECORDED)
            return False
        if reply.outcome == "ok":
            measures = request.measures(reply.train_seconds, self._more_at_last)
            self._unmeasured += measures and not reply.measured
            reply = reply if measures else reply.of_training()
        end = self._now + reply.train_seconds + reply.eval_seconds
        heapq.heappush(self._due, _Slice(end, self._begun, number, reply))
        self._begun += 1
        return True

    def _append(self, event: Event) -> None:
        """Records an event that is not the conductor's own."""
        self._events.append(event)
        self._conductor.state.apply(event)
