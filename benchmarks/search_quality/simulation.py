"""Runs a peer on a workload in simulated time, on a number of workers."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from benchmarks.search_quality.workload import Curve, Floats, Params, Workload


@dataclass(frozen=True)
class Trial:
    """A trial as it stood when the budget ended.

    Attributes:
        params: Its configuration, as proposed.
        rungs: Number of rungs it was trained to.
        started: Simulated time at which it began.
        finished: Simulated time at which it reached its last rung; infinite where it reached none.
        cost: Worker time that it took, with what it had begun when the budget ended.
    """

    params: Params
    rungs: int
    started: float
    finished: float
    cost: float


class Peer(Protocol):
    """A search as a library offers it, which free workers ask for trials and report to.

    Attributes:
        every_rung: Whether it looks at rungs. Trials of one that does not are measured, and pay for it, at
            the last rung alone.
    """

    every_rung: bool

    def ask(self, trial: int) -> Params | int | None:
        """What a free worker does next.

        Args:
            trial: The number that a new trial gets; they count from 0.

        Returns:
            The configuration of a new trial, the number of a paused one to go on with, or None to wait for
            the next report.
        """
        ...

    def report(self, trial: int, rung: int, values: Floats) -> bool:
        """Takes what a trial measured at a rung.

        Args:
            trial: Its number.
            rung: Index of the rung, from 0.
            values: Objectives in their own directions; shape [objectives].

        Returns:
            Whether the trial goes on at once. At the last rung the answer does not count.
        """
        ...


@dataclass
class _Running:
    trial: Trial
    curve: Curve = field(repr=False)
    began: float = 0.0


def simulate(workload: Workload, peer: Peer, *, seed: int, budget: float, workers: int) -> list[Trial]:
    """Runs a search until its budget is spent.

    Args:
        workload: What it is tried on.
        peer: A fresh search.
        seed: Seed of what is observed; each trial has its own, by its number.
        budget: Time of all workers together, in the workload's unit of cost.
        workers: Number of trials at once. A worker without a trial spends its time all the same.

    Returns:
        Trials by their numbers, those included that the end of the budget cut short.
    """
    simulation = _Simulation(workload, peer, seed, budget / workers)
    return simulation.run(workers)


class _Simulation:
    def __init__(self, workload: Workload, peer: Peer, seed: int, end: float) -> None:
        self._workload = workload
        self._peer = peer
        self._seed = seed
        self._end = end
        self._trials: list[_Running] = []
        # (time, order of being scheduled, trial); each entry is the end of a slice on a worker of its own.
        self._due: list[tuple[float, int, int]] = []
        self._scheduled = 0

    def run(self, workers: int) -> list[Trial]:
        now, free = 0.0, workers
        while True:
            while free and self._start(now):
                free -= 1
            if not self._due or self._due[0][0] > self._end:
                break
            now, _, number = heapq.heappop(self._due)
            free += not self._reach(number, now)
        for _, _, number in self._due:
            running = self._trials[number]
            running.trial = replace(running.trial, cost=running.trial.cost + self._end - running.began)
        return [running.trial for running in self._trials]

    def _start(self, now: float) -> bool:
        number = len(self._trials)
        asked = self._peer.ask(number)
        if asked is None:
            return False
        if isinstance(asked, int):
            self._schedule(asked, now)
            return True
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        trial = Trial(params=dict(asked), rungs=0, started=now, finished=float("inf"), cost=0.0)
        self._trials.append(_Running(trial, self._workload.run(asked, seed)))
        self._schedule(number, now)
        return True

    def _schedule(self, number: int, now: float) -> None:
        running = self._trials[number]
        running.began = now
        rung, curve = running.trial.rungs, running.curve
        if self._peer.every_rung:
            cost = float(curve.train_costs[rung] + curve.eval_costs[rung])
        else:
            cost = curve.unbroken_cost
        heapq.heappush(self._due, (now + cost, self._scheduled, number))
        self._scheduled += 1

    def _reach(self, number: int, now: float) -> bool:
        """Reports the rung that a trial has reached; whether its worker goes on with it."""
        running = self._trials[number]
        last = len(self._workload.rungs) - 1
        rung = running.trial.rungs if self._peer.every_rung else last
        cost = running.trial.cost + now - running.began
        running.trial = replace(running.trial, rungs=rung + 1, finished=now, cost=cost)
        goes_on = self._peer.report(number, rung, running.curve.values[rung])
        if rung == last or not goes_on:
            return False
        self._schedule(number, now)
        return True


def trajectory(workload: Workload, trials: Sequence[Trial], times: Sequence[float]) -> Floats:
    """Hypervolume reached over simulated time, as a share of the best possible.

    Only trials trained to the last rung count, each by its true objectives from when it finished.

    Args:
        workload: What the trials were run on.
        trials: In any order.
        times: Simulated times: budgets divided by the number of workers.

    Returns:
        Shares from 0 to 1; shape [times].
    """
    full = [trial for trial in trials if trial.rungs == len(workload.rungs)]
    return np.array(
        [workload.share(trial.params for trial in full if trial.finished <= time) for time in times],
        dtype=np.float64,
    )
