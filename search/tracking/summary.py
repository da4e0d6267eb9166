"""Metrics of the parent run: trials by status, the best feasible value, and what confirmation found."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from search.config.schema import ObjectiveConfig
from search.judging.confirmation import Estimate, estimate
from search.judging.objectives import is_measured


class TrialCounts:
    """Number of trials by status.

    The step of a change is its number, from 1, so that MLflow orders changes as the record does.

    Args:
        kind: What is counted: "trials" or "repetitions".
    """

    def __init__(self, kind: str) -> None:
        self.step = 0
        self._kind = kind
        self._status: dict[int, str] = {}
        self._counts: Counter[str] = Counter()

    def change(self, statuses: Mapping[int, str]) -> dict[str, float]:
        """Takes the new statuses of some trials into account.

        Returns:
            `<kind>_<status>` for every status whose count changed; empty where none did.
        """
        before = self._counts.copy()
        for trial, status in statuses.items():
            if trial in self._status:
                self._counts[self._status[trial]] -= 1
            self._counts[status] += 1
            self._status[trial] = status
        changed = {
            f"{self._kind}_{status}": float(count)
            for status, count in self._counts.items()
            if count != before[status]
        }
        self.step += bool(changed)
        return changed


class BestFeasible:
    """The best value of the first objective among rungs that keep every floor and ceiling."""

    def __init__(self, objectives: Sequence[ObjectiveConfig]) -> None:
        self._objectives = objectives
        self._best = math.inf

    def improved(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """`best_feasible_<metric>` where these metrics are better than all before, else empty."""
        if not self._objectives or not all(_feasible(metrics, one) for one in self._objectives):
            return {}
        first = self._objectives[0]
        value = metrics[first.metric]
        cost = value if first.direction == "min" else -value
        if cost >= self._best:
            return {}
        self._best = cost
        return {f"best_feasible_{first.metric}": value}


class Confirmed:
    """Means of candidates over their repetitions."""

    def __init__(self, objectives: Sequence[ObjectiveConfig]) -> None:
        self._objectives = objectives
        self._runs: dict[int, list[Mapping[str, float]]] = {}
        self._told = 0

    @property
    def count(self) -> int:
        """Number of repetitions that completed with every objective measured."""
        return sum(map(len, self._runs.values()))

    def add(self, candidate: int, metrics: Mapping[str, float]) -> None:
        """Takes a repetition that has completed."""
        if is_measured(self._objectives, metrics):
            self._runs.setdefault(candidate, []).append(metrics)

    def news(self) -> dict[int, dict[str, float]]:
        """By candidate, `confirmed_<metric>`, its interval as `_low` and `_high`, and `confirmed_runs`.

        Empty where no repetition has completed since it was last asked.
        """
        if self.count == self._told:
            return {}
        self._told = self.count
        estimates, _ = estimate(self._objectives, list(self._runs.values()))
        return {trial: _points(own) for trial, own in zip(self._runs, estimates, strict=True)}


def _points(estimates: Mapping[str, Estimate]) -> dict[str, float]:
    found: dict[str, float] = {}
    for metric, own in estimates.items():
        found |= {f"confirmed_{metric}": own.mean, "confirmed_runs": float(own.n)}
        if own.half is not None:
            found |= {
                f"confirmed_{metric}_low": own.mean - own.half,
                f"confirmed_{metric}_high": own.mean + own.half,
            }
    return found


def _feasible(metrics: Mapping[str, float], objective: ObjectiveConfig) -> bool:
    value = metrics.get(objective.metric, math.nan)
    if not math.isfinite(value):
        return False
    low = -math.inf if objective.floor is None else objective.floor
    high = math.inf if objective.ceiling is None else objective.ceiling
    return low <= value <= high
