"""The events of a search, one JSON object per line of `events.jsonl`."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
)

from search.record.clock import now
from trainables.interval import Interval
from trainables.measured import Measured, Number, RecordedInterval, Trained, TrialMeasured
from trainables.trainable import Shown

Scalar: TypeAlias = bool | int | float | str | None
Params: TypeAlias = dict[str, Scalar]
Origin: TypeAlias = Literal["searcher", "listed", "warm_start", "prior", "confirmation", "clone"]
Decision: TypeAlias = Literal["continue", "pause", "stop"]
TrialStatus: TypeAlias = Literal["completed", "stopped", "cancelled", "diverged", "infeasible", "failed"]
Verb: TypeAlias = Literal["stop", "pause", "resume", "clone"]


INTERVAL: TypeAdapter[Interval] = TypeAdapter(RecordedInterval)


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    time: float = Field(default_factory=now, description="Seconds since the epoch, by `search.record.clock`.")


class RecordedMetric(BaseModel):
    """A metric that the trainable measures, as `trainables.trainable.MetricSpec` says it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    meaning: str = ""
    direction: Literal["min", "max"] | None = None
    low: Number = -math.inf
    high: Number = math.inf
    relative: str | None = None
    at: Literal["every", "last", "front"] = "every"
    items: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    together: int = 1
    sample: str = "items"
    family: str | None = None
    caveat: str = ""


class RecordedTrainable(BaseModel):
    """What a reader must know of the trainable, which need not be installed where the record is read.

    Attributes:
        subject: What is trained, in a few words.
        artifact: What a trial leaves behind.
        load: How a user loads that, a line of Python in which {folder} stands for where it lies.
        form: Of its files, for example "PEFT format".
        metrics: What is measured beside the training loss and the ratios to the base.
        shown: Metrics to show beside the objectives in the summary, in the report and in its verdict; None
            is all of them.
        parameters: Names of all parameters that a trial may have.
        words: Terms of its own for the glossary, that of the artifact first.
        loss_unit: Of the training loss.
        trained_baselines: Baselines that are trained, once and with one seed.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    subject: str
    artifact: str
    load: str
    form: str = ""
    metrics: tuple[RecordedMetric, ...] = ()
    shown: Shown | None = None
    parameters: tuple[str, ...] = ()
    words: dict[str, str] = Field(default_factory=dict)
    loss_unit: str = ""
    trained_baselines: tuple[str, ...] = ()


class SearchStarted(_Event):
    """First line of a record.

    Attributes:
        search_id: Random identifier, unique to this search.
        config: Resolved configuration, as plain data.
        fingerprints: SHA-256 digest of `space`: what trials depend on.
        versions: Package name to installed version.
        git_commit: Commit of the working directory, or None outside a checkout.
        trainable: What explains the trainable; None in records written before it existed
            (`search.record.explained` knows that of these).
    """

    event: Literal["search_started"] = "search_started"
    search_id: str
    config: dict[str, Any]
    fingerprints: dict[str, str]
    versions: dict[str, str]
    git_commit: str | None = None
    trainable: RecordedTrainable | None = None


class SessionStarted(_Event):
    """A driver process began to work on the search, for the first time or to resume it.

    Attributes:
        session: 0 for the first process, then counting up.
        trials: Number of trials asked for; a larger one extends the search.
        command: Command line that resumes the search.
        limits: The section `limits` of the configuration; a larger limit may let the search continue.
        confirm: The section `confirm`; more seeds let a search that has ended continue its confirmation.
        hypotheses: The section `hypotheses`, which may change too; None in records written before it existed.
        audit: What the audit found (`search.audit.finding.Audit.recorded`); None where there was none.
    """

    event: Literal["session_started"] = "session_started"
    session: int
    trials: int
    command: str
    host: str
    pid: int
    limits: dict[str, float | None] = {}
    confirm: dict[str, int] = {}
    hypotheses: dict[str, Any] | None = None
    audit: dict[str, Any] | None = None


class SlotsChosen(_Event):
    """The session's first worker group is up, and with it the number of trials at once.

    Comes again whenever nodes of the cluster have come or gone, with what is there from then on.

    Attributes:
        groups: Number of worker groups that have room; 0 where the nodes of all have gone.
        slots: Trials that the first group holds at once; the others need not choose the same.
        reason: In words.
        devices: GPUs of these groups, or their CPU workers where they have none; 0 where not known.
        nodes: Nodes of the cluster.
        attention: What computes the model's attention; empty in records written before it existed.
    """

    event: Literal["slots_chosen"] = "slots_chosen"
    groups: int
    slots: int
    reason: str
    devices: Annotated[int, Field(ge=0)] = 0
    nodes: Annotated[int, Field(ge=1)] = 1
    attention: str = ""


class PriorTrial(BaseModel):
    """A finished trial of another search.

    Attributes:
        trial: Its number there.
        sampled: Its values of this search's sampled parameters.
        values: Objective values at its full budget, in this search's order; None where it did not get
            there.
        violations: By how much each constraint was violated; see `search.judging.constraints`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    trial: int
    sampled: Params
    values: list[Number] | None = None
    violations: list[Number] = []


class WarmStarted(_Event):
    """The search begins with what another has found; recorded before the first trial.

    Attributes:
        search_id: The other search.
        use: "points": the trials' configurations are tried first, in this order; "prior": the trials
            teach the searcher.
    """

    event: Literal["warm_started"] = "warm_started"
    search_id: str
    use: Literal["points", "prior"]
    trials: list[PriorTrial]


class _Baseline(_Event):
    event: Literal["baseline_measured"] = "baseline_measured"
    name: str


class BaselineMeasured(Measured, _Baseline):
    """A reference that is not a trial, such as the untouched base model (`name="base"`).

    Attributes:
        items: Outcomes item by item, as in `RungReached`.
        fingerprints: Digests or revisions of `model` and `data`, as the workers found them.
        seconds: Time that the measurement took.
        data: Numbers about the training data (`trainables.data.facts`), as the workers read them.
    """

    items: dict[str, str] = {}
    fingerprints: dict[str, str] = {}
    seconds: float
    data: dict[str, Scalar] = {}


class TrialProposed(_Event):
    """A trial exists from here on.

    Attributes:
        trial: Number of the trial, from 0.
        sampled: The values of the space's own parameters, as the searcher proposed them.
        params: Every parameter of the trainable, with expressions and fixed values resolved.
        origin: Who wanted it: the searcher, the list of the space, an earlier search, a prior, confirmation,
            or a user who had another trial cloned.
        repeats: Number of the trial that this one repeats with another seed, for confirmation.
        steps: Optimizer steps of its full budget where they follow from its parameters; else None, and they
            are those of the search's budget.
        request: Identifier of the request that asked for it, where it is a clone.
    """

    event: Literal["trial_proposed"] = "trial_proposed"
    trial: int
    sampled: Params
    params: Params
    origin: Origin = "searcher"
    repeats: int | None = None
    steps: int | None = None
    request: str | None = None


class _Rung(_Event):
    event: Literal["rung_reached"] = "rung_reached"
    trial: int
    rung: int


class RungReached(Trained, _Rung):
    """A trial was trained to a rung, counted from 0, saved at `checkpoint`, and perhaps measured there."""


class _Front(_Event):
    event: Literal["front_measured"] = "front_measured"
    trial: int


class FrontMeasured(TrialMeasured, _Front):
    """A finished trial was measured in what is `at: front`; it belongs to the trial's last rung.

    Its `items_file` has all the trial's results item by item, these among them.
    """


class Decided(_Event):
    """What was decided about a trial at a rung, and why. A later decision replaces an earlier one.

    Attributes:
        decision: A paused trial goes on once it is decided that it continues.
        by: "scheduler", "confirmation", "limits", "hand", or the name of a guard.
    """

    event: Literal["decided"] = "decided"
    trial: int
    rung: int
    decision: Decision
    by: str = "scheduler"
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
            "cancelled" by a user;
            "diverged" NaN, Inf or a loss spike; "infeasible" does not fit; "failed" anything else.
        reason: In words.
        metrics: What was measured after the last rung, for trials that did not reach the next.
    """

    event: Literal["trial_finished"] = "trial_finished"
    trial: int
    status: TrialStatus
    reason: str
    failure_class: str | None = None
    metrics: dict[str, Number] = {}


class RequestAnswered(_Event):
    """A request of a user about a running search was carried out, or refused; its last trace but for this.

    Attributes:
        id: Identifier of the request; each is answered once.
        verb: What was asked for.
        trial: The trial that it was about; None for the whole search.
        accepted: Whether it was carried out.
        at_once: Of a trial to pause: whether it waits from here on; else from its next rung on.
        answer: What came of it, in words.
    """

    event: Literal["request_answered"] = "request_answered"
    id: str
    verb: Verb
    trial: int | None = None
    accepted: bool = True
    at_once: bool = True
    answer: str


class JudgedHypothesis(BaseModel):
    """The answer to a hypothesis, as it was at the end of a session.

    Attributes:
        verdict: "supported", "not supported" or "undecided".
        text: The verdict with the numbers that it rests on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: str
    text: str


class JudgedMean(BaseModel):
    """The mean of an objective over the repetitions of a candidate, as it was at the end of a session.

    Attributes:
        n: Number of repetitions.
        low: Lower end of its 95% interval; None where its noise is not known.
        high: Upper end, likewise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: Number
    n: int
    low: Number | None = None
    high: Number | None = None


class SearchEnded(_Event):
    """A session ended in order.

    Attributes:
        reason: "finished" (every trial done), "interrupted" (Ctrl-C), or "failed".
        recommended: Number of the recommended trial, where the search finished and has one.
        constraints: Of the recommended trial, by metric: whether each floor and ceiling is kept, in words.
        confirmed: Means of each candidate, by its number and the metric.
        hypotheses: Answers by name, where it finished.
    """

    event: Literal["search_ended"] = "search_ended"
    reason: Literal["finished", "interrupted", "failed"]
    recommended: int | None = None
    constraints: dict[str, str] = {}
    confirmed: dict[int, dict[str, JudgedMean]] = {}
    hypotheses: dict[str, JudgedHypothesis] = {}
    message: str = ""


Event: TypeAlias = (
    SearchStarted
    | SessionStarted
    | SlotsChosen
    | WarmStarted
    | BaselineMeasured
    | TrialProposed
    | RungReached
    | FrontMeasured
    | Decided
    | Failed
    | TrialFinished
    | RequestAnswered
    | SearchEnded
)

_ADAPTER: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


def parse_event(line: str | bytes) -> Event:
    """Parses one line of a record.

    Raises:
        pydantic.ValidationError: The line is not an event of this version.
    """
    return _ADAPTER.validate_json(line)
