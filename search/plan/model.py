"""What a plan says."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from search.audit.finding import Audit
from search.errors import Problem
from search.plan.floors import PlannedFloor
from search.plan.hypotheses import PlannedHypothesis
from search.record.events import Params
from trainables.planning import DataText, SizeTable, UnitCosts

_FOR_PEOPLE = ("size_table", "data_text", "sized")


@dataclass(frozen=True)
class PlannedTrial:
    """A trial that will run.

    Attributes:
        trial: Its number.
        origin: "listed", "warm_start", "prior" or "searcher".
        sampled: Values of the searched parameters.
        trainable: Number of trained parameters; None where that is not known.
        steps: Its own number of steps; None where all have the budget's.
    """

    trial: int
    origin: str
    sampled: Params
    trainable: int | None
    steps: int | None = None


@dataclass(frozen=True)
class Slots:
    """What trials run on.

    Attributes:
        groups: Worker groups; None where only the cluster knows.
        slots_per_group: Trials that a group trains at once; None where it measures and chooses.
        most_per_group: It never trains more at once.
        reason: Why not more, in words.
        gpus: GPUs per worker.
        source: Where the number of groups comes from.
    """

    groups: int | None
    slots_per_group: int | None
    most_per_group: int
    reason: str
    workers_per_group: int
    cpus: float
    gpus: float
    source: str

    @property
    def least_per_group(self) -> int:
        """Trials that a group trains at once whatever it measures."""
        return self.slots_per_group or 1

    @property
    def most(self) -> int:
        """The most trials at once; those of one group where the number of groups is not known."""
        return (self.groups or 1) * self.most_per_group


@dataclass(frozen=True)
class SearchEstimate(UnitCosts):
    """A rough estimate; None where the model is not known well enough.

    Attributes:
        trial_seconds: A trial trained to the end, with its evaluations.
        evaluations: Their number, without those at rungs where one takes too long (`budget.early_ratio`).
        fewest_seconds: The search where every trial ends where it is first measured, so that none is
            confirmed.
        likely_seconds: The search if one trial in eta continues at each rung, with confirmation.
        most_seconds: The search where every trial is trained to the end, with confirmation.
        confirmation_seconds: Of both: the repetitions of candidates.
        gpu_hours: Of `likely_seconds`; 0 without GPUs.
    """

    trial_seconds: float
    evaluations: int
    fewest_seconds: float
    likely_seconds: float
    most_seconds: float
    confirmation_seconds: float
    gpu_hours: float


@dataclass(frozen=True)
class PlannedLimit:
    """A limit of the search.

    Attributes:
        name: "hours", "device_hours" or "cost".
        limit: As configured.
        expected: What the search is likely to take without it; None where that cannot be estimated.
    """

    name: str
    limit: float
    expected: float | None


@dataclass(frozen=True)
class Plan:
    """The plan of a search.

    Attributes:
        folder: The search's folder.
        recorded: Trials in the folder's record, and how many of them are finished; no repetitions.
        running: Whether another process is running the search now, so that a run would be refused.
        attention: What computes the model's attention; None where it is not known.
        trials: Number of trials; fewer than configured where the searcher has no more.
        first: The first of them, exactly as they will run.
        budget: What a step is, and where the number of steps is from, in sentences.
        rungs: Optimizer steps of the rungs; empty where each trial has its own.
        shares: The same as shares of a trial's steps.
        trial_steps: Where each trial has its own number of steps, the least and the most.
        scheduler: What the scheduler does, in sentences.
        teaches: What trials that were stopped early teach the searcher; None where it learns nothing.
        guards: The guards that are on, in sentences.
        confirmation: What is trained again, in sentences.
        repetitions: Most repetitions at full budget.
        limits: Those that are set.
        ends_first: What will probably end the search, in a sentence.
        floors: How many questions the floors need, and how many there are.
        hypotheses: What is to be answered, and from what.
        prior: What is known before any trial, and from where; empty where nothing is.
        warm_start: What is taken over from an earlier search; None where nothing is.
        base_parameters: Number of parameters of the base model, where its shapes are known.
        sizes: Sizes of what may be trained, as `TrainablePlan` gives them.
        data: What is trained on, likewise.
        estimate: None where the model is not on this machine.
        notes: What else is worth knowing before the start.
        size_table: `sizes` for people.
        data_text: `data` for people.
        sized: Whether the trainable gives sizes, where they are known.
        audit: What the audit finds; None where it was not asked.
        problems: Why a run on this machine would be refused.
    """

    name: str
    space: str
    model: str
    folder: str
    recorded: tuple[int, int] | None
    running: bool
    attention: str | None
    searcher: str
    trials: int
    first: tuple[PlannedTrial, ...]
    budget: tuple[str, ...]
    rungs: tuple[int, ...]
    shares: tuple[float, ...]
    trial_steps: tuple[int, int] | None
    scheduler: tuple[str, ...]
    teaches: str | None
    guards: tuple[str, ...]
    confirmation: tuple[str, ...]
    repetitions: int
    limits: tuple[PlannedLimit, ...]
    ends_first: str
    floors: tuple[PlannedFloor, ...]
    hypotheses: tuple[PlannedHypothesis, ...]
    prior: tuple[str, ...]
    warm_start: str | None
    slots: Slots
    base_parameters: int | None
    sizes: tuple[Any, ...]
    data: Any
    estimate: SearchEstimate | None
    notes: tuple[str, ...]
    size_table: SizeTable | None = None
    data_text: DataText | None = None
    sized: bool = True
    audit: Audit | None = None
    problems: tuple[Problem, ...] = ()

    def plain(self) -> dict[str, Any]:
        """The plan for programs: without what is for people alone."""
        plain = {key: value for key, value in asdict(self).items() if key not in _FOR_PEOPLE}
        return plain | {"audit": None if self.audit is None else self.audit.plain()}
