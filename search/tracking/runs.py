"""One run as MLflow should hold it, and the counts and best values of the parent run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from search.config.schema import ObjectiveConfig
from search.record.events import JudgedMean
from search.tracking.mlflow_limits import Point, key, tag
from trainables.interval import Interval

RunStatus: TypeAlias = Literal["RUNNING", "FINISHED", "KILLED", "FAILED"]

SEARCH_ID = "tightrope.search_id"
TRIAL = "tightrope.trial"
BASELINE = "tightrope.baseline"
STATUS = "tightrope.status"
GIT_COMMIT = "tightrope.git_commit"
SEARCH = "search"
"""Key of the parent run."""


def trial_key(number: int) -> str:
    """Key of a trial's run."""
    return f"trial:{number}"


def trial_name(number: int) -> str:
    """Name of a trial's run."""
    return f"trial-{number:04d}"


def baseline_key(name: str) -> str:
    """Key of a baseline's run."""
    return f"baseline:{name}"


def key_of(tags: Mapping[str, str]) -> str:
    """Key of a run that carries these tags."""
    if TRIAL in tags:
        return trial_key(int(tags[TRIAL]))
    return baseline_key(tags[BASELINE]) if BASELINE in tags else SEARCH


def milliseconds(time: float) -> int:
    """MLflow's unit of time."""
    return round(time * 1000)


@dataclass
class RunView:
    """A run of MLflow. Points are only ever appended and tags only set, so that what is new is known.

    Attributes:
        start: Milliseconds since the epoch.
        end: The same, or None until the run ends for the first time; MLflow cannot take an end back,
            so a resumed run keeps its last one until it ends again.
        points: Values of metrics, in recorded order.
    """

    key: str
    name: str
    start: int
    status: RunStatus = "RUNNING"
    end: int | None = None
    params: dict[str, str] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Sets `tightrope.<name>` for each, except where the value is None or empty."""
        self.tags |= {
            key(f"tightrope.{name}"): tag(value) for name, value in tags.items() if value not in (None, "")
        }

    def show(self, name: str, value: str) -> None:
        """Sets a tag by which MLflow itself shows something of the run, such as `note.content`."""
        self.tags[f"mlflow.{name}"] = tag(value)

    def add_metrics(
        self, metrics: Mapping[str, float], intervals: Mapping[str, Interval], time: float, step: int
    ) -> None:
        """Appends metrics and, as `<metric>_low` and `<metric>_high`, their intervals."""
        bounds = {f"{name}_low": interval.low for name, interval in intervals.items()} | {
            f"{name}_high": interval.high for name, interval in intervals.items()
        }
        self.add_points(dict(metrics) | bounds, time, step)

    def add_points(self, values: Mapping[str, float], time: float, step: int) -> None:
        """Appends values of one step."""
        self.points += [Point(key(name), value, milliseconds(time), step) for name, value in values.items()]

    def close(self, status: RunStatus, word: str, time: float) -> None:
        """Ends the run; `word` is our own, finer status."""
        self.status = status
        self.end = milliseconds(time)
        self.tags[STATUS] = word

    def open(self, word: str = "running") -> None:
        """Reopens the run; `word` is our own, finer status."""
        self.status = "RUNNING"
        self.tags[STATUS] = word


def audit_tags(audit: Mapping[str, Any]) -> dict[str, object]:
    """The audit's counts by severity, the ids of what it found, and of what was allowed."""
    ids = ", ".join(f"{each['id']} ({each['severity']})" for each in audit.get("findings", ()))
    counts = {f"audit.{severity}": count for severity, count in audit.get("counts", {}).items()}
    return {**counts, "audit.findings": ids or "none", "audit.allowed": ", ".join(audit.get("allowed", ()))}


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
        """Records the new statuses of some trials.

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

    def improvement(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """`best_feasible_<metric>` where these metrics are better than all before, else empty."""
        if not self._objectives or not all(_feasible(metrics, objective) for objective in self._objectives):
            return {}
        first = self._objectives[0]
        value = metrics[first.metric]
        cost = first.cost(value)
        if cost >= self._best:
            return {}
        self._best = cost
        return {f"best_feasible_{first.metric}": value}


def confirmed_points(means: Mapping[str, JudgedMean]) -> dict[str, float]:
    """Of a candidate `confirmed_<metric>`, its interval as `_low` and `_high`, and `confirmed_runs`."""
    points: dict[str, float] = {}
    for metric, mean in means.items():
        points |= {f"confirmed_{metric}": mean.mean, "confirmed_runs": float(mean.n)}
        ends = {f"confirmed_{metric}_low": mean.low, f"confirmed_{metric}_high": mean.high}
        points |= {name: end for name, end in ends.items() if end is not None}
    return points


def _feasible(metrics: Mapping[str, float], objective: ObjectiveConfig) -> bool:
    value = metrics.get(objective.metric, math.nan)
    if not math.isfinite(value):
        return False
    low = -math.inf if objective.floor is None else objective.floor
    high = math.inf if objective.ceiling is None else objective.ceiling
    return low <= value <= high
