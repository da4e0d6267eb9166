"""Runs methods on workloads over seeds, and compares what they reached."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.stats import mannwhitneyu

from benchmarks.search_quality import ours
from benchmarks.search_quality.peers import PEERS
from benchmarks.search_quality.simulation import Trial, simulate, trajectory
from benchmarks.search_quality.workloads import WORKLOADS


@dataclass(frozen=True)
class Run:
    """One search.

    Attributes:
        shares: Hypervolume of its fully trained trials as a share of the best possible, at each budget.
        trials: Trials that it began.
        full: Of these, trained to the end.
        seconds: Time that it took to simulate, which is almost all the method's own.
    """

    workload: str
    method: str
    seed: int
    shares: tuple[float, ...]
    trials: int
    full: int
    seconds: float


@dataclass(frozen=True)
class Task:
    """What one process does: a method on a workload with one seed.

    Attributes:
        budgets: Time of all workers together, in full trainings of mean cost, ascending.
        workers: Trials at once.
    """

    workload: str
    method: str
    seed: int
    budgets: tuple[float, ...]
    workers: int


def run(task: Task) -> Run:
    """Runs one search in simulated time."""
    workload = WORKLOADS[task.workload]()
    times = [budget * workload.full_cost / task.workers for budget in task.budgets]
    began = time.perf_counter()
    trials = _search(task, times[-1] * task.workers)
    seconds = time.perf_counter() - began
    shares = tuple(float(share) for share in trajectory(workload, trials, times))
    full = sum(trial.rungs == len(workload.rungs) for trial in trials)
    return Run(task.workload, task.method, task.seed, shares, len(trials), full, seconds)


def _search(task: Task, budget: float) -> list[Trial]:
    workload = WORKLOADS[task.workload]()
    if task.method in ours.METHODS:
        return ours.run(workload, task.method, seed=task.seed, budget=budget, workers=task.workers)
    peer = PEERS[task.method].make(workload, task.seed)
    return simulate(workload, peer, seed=task.seed, budget=budget, workers=task.workers)


def run_all(
    tasks: Sequence[Task], processes: int, note: Callable[[Run], None] = lambda run: None
) -> list[Run]:
    """Runs tasks in processes of their own; `note` is called with each that ends."""
    with ProcessPoolExecutor(processes) as pool:
        ended = []
        for done in pool.map(run, tasks):
            note(done)
            ended.append(done)
        return ended


@dataclass(frozen=True)
class Standing:
    """A method on a workload at one budget, over all seeds.

    Attributes:
        mean: Mean share.
        error: Standard error of it.
        p: Two-sided p-value of the Mann-Whitney test against the method with the highest mean; 1 for it.
        best: Whether it is that one, or does not differ from it at 5%.
        p_random: One-sided p-value that it reaches less than random search without stopping; NaN where that
            was not run.
    """

    workload: str
    method: str
    budget: float
    mean: float
    error: float
    p: float
    best: bool
    p_random: float


def standings(runs: Sequence[Run], budgets: Sequence[float]) -> Iterator[Standing]:
    """Compares the methods of each workload at each budget, best first."""
    for workload in dict.fromkeys(run.workload for run in runs):
        own = [run for run in runs if run.workload == workload]
        for index, budget in enumerate(budgets):
            shares = {
                method: np.array([run.shares[index] for run in own if run.method == method])
                for method in dict.fromkeys(run.method for run in own)
            }
            leader = max(shares, key=lambda method: float(shares[method].mean()))
            for method in sorted(shares, key=lambda method: -float(shares[method].mean())):
                scores = shares[method]
                p = 1.0 if method == leader else float(mannwhitneyu(scores, shares[leader]).pvalue)
                best = method == leader or p >= 0.05
                random = shares.get("random")
                worse = (
                    float("nan")
                    if random is None or method == "random"
                    else float(mannwhitneyu(scores, random, alternative="less").pvalue)
                )
                error = float(scores.std(ddof=1) / np.sqrt(len(scores))) if len(scores) > 1 else float("nan")
                yield Standing(
                    workload,
                    method,
                    budget,
                    float(scores.mean()),
                    error,
                    p,
                    best,
                    worse,
                )
