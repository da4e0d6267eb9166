"""What a search asks a trainable for its plan, and what that says. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from trainables.errors import TrainableError, UserError
from trainables.messages import Params
from trainables.trainable import Finding


@dataclass(frozen=True)
class PlannedWorkers:
    """What trials would run on.

    Attributes:
        workers: Workers of a group.
        cpus: CPUs of each.
        gpus: GPUs of each.
        least_slots: Trials that a group trains at once whatever it measures.
        most_slots: It never trains more at once.
        zero_stage: As in the configuration's section `workers`, as the following are.
    """

    workers: int
    cpus: float
    gpus: float
    least_slots: int
    most_slots: int
    zero_stage: int
    micro_batch: int | None
    gradient_checkpointing: bool


@dataclass(frozen=True)
class RecordedRung:
    """What an earlier trial took from one rung to the next.

    Attributes:
        params: Every parameter of the trial.
        steps: Optimizer steps.
        tokens: Tokens that went through the model; 0 where that was not counted.
        train_seconds: Its share of the time in training.
        eval_seconds: Of the evaluation at its end; None where there was none.
    """

    params: Params
    steps: int
    tokens: int
    train_seconds: float
    eval_seconds: float | None


@dataclass(frozen=True)
class RecordedSearch:
    """An earlier search with this trainable on as many workers: its configuration, and its rungs."""

    config: Mapping[str, Any]
    rungs: Sequence[RecordedRung]


@dataclass(frozen=True)
class PlanRequest:
    """What a plan is asked for.

    Attributes:
        options: The trainable's sections.
        seed: The search's seed.
        trials: Parameters of the first trials, in order.
        possible: Per parameter the values that trials may have; the ends of a range.
        searched: Names of the parameters that are searched; the others are fixed.
        workers: What trials would run on.
        history: Earlier searches, the newest first.
        baselines: Names of those that the search measures.
    """

    options: Any
    seed: int
    trials: Sequence[BaseModel]
    possible: Mapping[str, Sequence[Any]]
    searched: frozenset[str]
    workers: PlannedWorkers
    history: Sequence[RecordedSearch] = ()
    baselines: Sequence[str] = ()

    def key(self, name: str) -> str:
        """Dotted key under which the configuration gives a parameter."""
        return f"{'parameters' if name in self.searched else 'fixed'}.{name}"


@dataclass(frozen=True)
class SizeTable:
    """Sizes of what may be trained, as a plan shows them.

    Attributes:
        title: Above the table.
        columns: Name and alignment of each.
        rows: Cells.
    """

    title: str
    columns: tuple[tuple[str, Literal["left", "right"]], ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class DataText:
    """Training data, as a plan shows them.

    Attributes:
        lines: Form, numbers and lengths.
        heading: Above the example.
        example: One example line by line, in parts, each with whether it is learned.
    """

    lines: tuple[str, ...]
    heading: str = ""
    example: tuple[tuple[tuple[str, bool], ...], ...] = ()


@dataclass(frozen=True)
class UnitCosts:
    """Roughly, what a step, an evaluation and a worker take.

    Attributes:
        step_seconds: One optimizer step of a trial by itself.
        evaluation_seconds: One evaluation, at a rung.
        time_basis: How the time was estimated.
        worker_bytes: Memory of one worker with the fewest slots.
        most_worker_bytes: The same with the most.
        memory_basis: How the memory was estimated.
        preparation_seconds: What comes once, before the first trial, beside the base's evaluation.
        baseline_seconds: A baseline other than the base.
        extra_seconds: What a trial takes beside its steps and its evaluations at rungs.
    """

    step_seconds: float
    evaluation_seconds: float
    time_basis: str
    worker_bytes: float
    most_worker_bytes: float
    memory_basis: str
    preparation_seconds: float = field(default=0.0, kw_only=True)
    baseline_seconds: float = field(default=0.0, kw_only=True)
    extra_seconds: float = field(default=0.0, kw_only=True)


@dataclass(frozen=True)
class Costs(UnitCosts):
    """The same as a trainable estimates it.

    Attributes:
        shared_step_seconds: A trial's share of a step where the fewest slots of a group are filled.
        measured: Whether the time was taken from earlier searches.
    """

    shared_step_seconds: float
    measured: bool


@dataclass(frozen=True)
class Download:
    """Weights that the workers of a machine need, and that are not on it.

    Attributes:
        source: Where they are from.
        size: In bytes.
        folder: Where they are stored.
    """

    source: str
    size: int
    folder: Path


@dataclass(frozen=True)
class TrainablePlan:
    """What a trainable says of a search with it; what it does not know is left out.

    Attributes:
        trained: Number of trained parameters of each of the request's trials.
        base_parameters: Number of parameters of the base.
        attention: What computes the model's attention.
        sizes: Sizes of what may be trained, a dataclass for each row.
        size_table: The same for people.
        data: What is trained on, a dataclass.
        data_text: The same for people.
        costs: What a trial takes.
        download: What is downloaded first, seen from this machine; None where that is nothing, or not known.
        items: How many items there are, by their names (`MetricSpec.items`) or by metric.
        notes: What else is worth knowing before the start.
    """

    trained: tuple[int | None, ...] = ()
    base_parameters: int | None = None
    attention: str | None = None
    sizes: tuple[Any, ...] = ()
    size_table: SizeTable | None = None
    data: Any = None
    data_text: DataText | None = None
    costs: Costs | None = None
    download: Download | None = None
    items: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class PlanRefusedError(TrainableError):
    """A search that could not be trained: what is wrong, found before anything is started.

    Args:
        findings: What is wrong, at least one.
        where: Where that was seen, for example "training data".
    """

    failure_class = "user"

    def __init__(self, findings: Sequence[Finding], where: str) -> None:
        self.findings, self.where = tuple(findings), where
        message = "; ".join(f"{finding.key}: {finding.message}" for finding in findings)
        super().__init__(message, self.findings[0].hint)


def keyed(error: UserError) -> bool:
    """Whether an error's message begins with the key that it is about."""
    return " " not in error.message.partition(": ")[0]


def refused(error: UserError, where: str, key: str | None = None) -> PlanRefusedError:
    """The same error as a refusal.

    Args:
        error: Its message begins with the key that it is about, where `key` is not given.
        where: Where that was seen.
        key: The key that it is about.
    """
    message = error.message
    if key is None:
        key, _, message = message.partition(": ")
    return PlanRefusedError([Finding(key, message.rstrip("."), error.hint)], where)
