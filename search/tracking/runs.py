"""What MLflow should hold of one run, as the record says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from search.record import Interval
from search.tracking.batches import Point
from search.tracking.fields import key, tag

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
    """A run of MLflow. Points are only ever appended and tags only set, so what is new can be told.

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

    def add_metrics(
        self, metrics: Mapping[str, float], intervals: Mapping[str, Interval], time: float, step: int
    ) -> None:
        """Appends metrics and, as `<metric>_low` and `<metric>_high`, their intervals."""
        bounds = {f"{name}_low": interval.low for name, interval in intervals.items()} | {
            f"{name}_high": interval.high for name, interval in intervals.items()
        }
        self.add_points(bounds | dict(metrics), time, step)

    def add_points(self, values: Mapping[str, float], time: float, step: int) -> None:
        """Appends values of one step."""
        self.points += [Point(key(name), value, milliseconds(time), step) for name, value in values.items()]

    def close(self, status: RunStatus, word: str, time: float) -> None:
        """Ends the run; `word` is our own, finer status."""
        self.status = status
        self.end = milliseconds(time)
        self.tags[STATUS] = word

    def open(self, word: str = "running") -> None:
        """Makes the run go on, or wait; `word` is our own, finer status."""
        self.status = "RUNNING"
        self.tags[STATUS] = word
