"""The events of a search, one JSON object per line of `events.jsonl`."""

from __future__ import annotations

import math
import time
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, TypeAdapter

Scalar: TypeAlias = bool | int | float | str | None
Params: TypeAlias = dict[str, Scalar]
TrialStatus: TypeAlias = Literal["completed", "stopped", "diverged", "infeasible", "failed"]


def _from_json(value: object) -> object:
    return float(value) if value in ("nan", "inf", "-inf") else value


def _to_json(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


# JSON has no NaN or Inf; a record that other programs can read spells them as strings.
Number: TypeAlias = Annotated[float, BeforeValidator(_from_json), PlainSerializer(_to_json, when_used="json")]


class Interval(BaseModel):
    """A two-sided 95% interval of a metric.

    Attributes:
        low: Lower bound, in the metric's own unit.
        high: Upper bound.
        n: Sample size it rests on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: Number
    high: Number
    n: int


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    time: float = Field(default_factory=time.time, description="Seconds since the epoch.")


class SearchStarted(_Event):
    """First line of a record.

    Attributes:
        search_id: Random identifier, unique to this search.
        config: Resolved configuration, as plain data.
        fingerprints: SHA-256 digest of `space`: what trials depend on.
        versions: Package name to installed version.
        git_commit: Commit of the working directory, or None outside a checkout.
    """

    event: Literal["search_started"] = "search_started"
    search_id: str
    config: dict[str, Any]
    fingerprints: dict[str, str]
    versions: dict[str, str]
    git_commit: str | None = None


class SessionStarted(_Event):
    """A driver process began to work on the search, for the first time or to resume it.

    Attributes:
        session: 0 for the first process, then counting up.
        trials: Number of trials asked for; a larger one extends the search.
        command: Command line that resumes the search.
    """

    event: Literal["session_started"] = "session_started"
    session: int
    trials: int
    command: str
    host: str
    pid: int


class SlotsChosen(_Event):
    """The session's first worker group is up, and with it the number of trials at once.

    Attributes:
        groups: Number of worker groups.
        slots: Trials that the first group holds at once; the others need not choose the same.
        reason: In words.
    """

    event: Literal["slots_chosen"] = "slots_chosen"
    groups: int
    slots: int
    reason: str


class BaselineMeasured(_Event):
    """A reference that is not a trial, such as the untouched base model (`name="base"`).

    Attributes:
        fingerprints: Digests or revisions of `model` and `data`, as the workers found them.
    """

    event: Literal["baseline_measured"] = "baseline_measured"
    name: str
    metrics: dict[str, Number]
    intervals: dict[str, Interval] = {}
    fingerprints: dict[str, str] = {}
    seconds: float


class TrialProposed(_Event):
    """A trial exists from here on.

    Attributes:
        trial: Number of the trial, from 0.
        sampled: The values of the space's own parameters, as the searcher proposed them.
        params: Every parameter of the trainable, with expressions and fixed values resolved.
        origin: "searcher", or "listed" for a point that the space lists.
    """

    event: Literal["trial_proposed"] = "trial_proposed"
    trial: int
    sampled: Params
    params: Params
    origin: Literal["searcher", "listed"] = "searcher"


class RungReached(_Event):
    """A trial was trained to a rung and measured there; its adapter lies at `checkpoint`.

    Attributes:
        rung: Index of the rung, from 0.
        step: Optimizer steps done.
        metrics: Every metric measured at this rung.
        intervals: 95% intervals of those metrics that are estimates from a sample.
        curve: (step, mean training loss) pairs since the last rung, at most 50.
        checkpoint: Folder with the adapter in PEFT format, relative to the search's folder.
        train_seconds: Time in training since the last rung, divided among the trials that trained
            together: shares add up.
        eval_seconds: Time in evaluation at this rung, likewise.
        group: Name of the worker group that trained it.
        tokens: Tokens of this trial that went through the model since the last rung, without padding; 0
            where that was not counted.
        padding: Share of padding among the tokens of the passes that the trial took part in.
        pack: Mean number of trials in those passes.
    """

    event: Literal["rung_reached"] = "rung_reached"
    trial: int
    rung: int
    step: int
    metrics: dict[str, Number]
    intervals: dict[str, Interval] = {}
    curve: list[tuple[int, Number]] = []
    checkpoint: str | None = None
    train_seconds: float
    eval_seconds: float
    group: str = ""
    tokens: Annotated[int, Field(ge=0)] = 0
    padding: Annotated[float, Field(ge=0, lt=1)] = 0.0
    pack: Annotated[float, Field(ge=1)] = 1.0


class Decided(_Event):
    """What the scheduler or a guard decided about a trial at a rung, and why."""

    event: Literal["decided"] = "decided"
    trial: int
    rung: int
    decision: Literal["continue", "stop"]
    reason: str


class Failed(_Event):
    """A failure that did not by itself end the trial, such as a lost worker."""

    event: Literal["failed"] = "failed"
    trial: int | None
    failure_class: str
    message: str


class TrialFinished(_Event):
    """The trial's last event.

    Attributes:
        status: "completed" reached the full budget; "stopped" by the scheduler or a guard;
            "diverged" NaN or Inf; "infeasible" does not fit; "failed" anything else.
        reason: In words.
        metrics: What was measured after the last rung, for trials that did not reach the next.
    """

    event: Literal["trial_finished"] = "trial_finished"
    trial: int
    status: TrialStatus
    reason: str
    failure_class: str | None = None
    metrics: dict[str, Number] = {}


class SearchEnded(_Event):
    """A session ended in order.

    Attributes:
        reason: "finished" (every trial done), "interrupted" (Ctrl-C), or "failed".
        recommended: Number of the recommended trial, where the search finished and has one.
    """

    event: Literal["search_ended"] = "search_ended"
    reason: Literal["finished", "interrupted", "failed"]
    recommended: int | None = None
    message: str = ""


Event: TypeAlias = (
    SearchStarted
    | SessionStarted
    | SlotsChosen
    | BaselineMeasured
    | TrialProposed
    | RungReached
    | Decided
    | Failed
    | TrialFinished
    | SearchEnded
)

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


def parse_event(line: str | bytes) -> Event:
    """Parses one line of a record.

    Raises:
        pydantic.ValidationError: The line is not an event of this version.
    """
    return _ADAPTER.validate_json(line)
