"""Metrics of the parent run: trials by status, and the best feasible value of the first objective."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from search.config.schema import ObjectiveConfig


class TrialCounts:
    """Number of trials by status.

    The step of a change is its number, from 1, so that MLflow orders changes as the record does.
    """

    def __init__(self) -> None:
        self.step = 0
        self._status: dict[int, str] = {}
        self._counts: Counter[str] = Counter()

    def change(self, statuses: Mapping[int, str]) -> dict[str, float]:
        """Takes the new statuses of some trials into account.

        Returns:
            `trials_<status>` for every status whose count changed; empty where none did.
        """
        before = self._counts.copy()
        for trial, status in statuses.items():
            if trial in self._status:
                self._counts[self._status[trial]] -= 1
            self._counts[status] += 1
            self._status[trial] = status
        changed = {
            f"trials_{status}": float(count)
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


def _feasible(metrics: Mapping[str, float], objective: ObjectiveConfig) -> bool:
    value = metrics.get(objective.metric, math.nan)
    if not math.isfinite(value):
        return False
    low = -math.inf if objective.floor is None else objective.floor
    high = math.inf if objective.ceiling is None else objective.ceiling
    return low <= value <= high
