"""Schema of the whole configuration: frozen, and nothing unknown allowed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, Self, cast

from pydantic import Field, create_model, model_validator

from search.claims import Filter
from search.config.choices import SCHEDULERS, SEARCHERS, Choice, guards_section, section
from search.config.space import Parameter
from search.config.values import Folder, TrackingUri, Value
from trainables.settings import LARGEST, Positive, Section
from trainables.specs import TRAINABLES
from trainables.text import Text
from trainables.trainable import MetricSpec

MOST_SEEDS = 100
"""The most that `confirm.seeds` takes."""


class GuardsConfig(Section):
    """Ends trials that are breaking the model, whatever the scheduler says. None switches a guard off.

    Guards that are registered (`search.guards`) add their settings, each under the guard's name.

    Attributes:
        spike: The smoothed training loss may rise to this multiple of its lowest value so far, which counts
            as at least 1 nat. Workers watch it at every step.
    """

    spike: Annotated[float, Field(gt=1)] | None = 3.0


class ConfirmConfig(Section):
    """The best candidates are trained again at full budget before one is recommended.

    Attributes:
        candidates: Number of candidates; 0 confirms nothing.
        seeds: Runs of each, with seeds that the search has not used. What candidates that are decided leave
            goes to those that are not.
    """

    candidates: Annotated[int, Field(ge=0, le=100)] = 3
    seeds: Annotated[int, Field(ge=2, le=MOST_SEEDS)] = 2


class LimitsConfig(Section):
    """What the search may spend, beside `trials`; whichever is reached first ends it.

    No trial begins after that, and those in training end at their next rung. What confirmation is expected
    to take is kept back for it.

    Attributes:
        hours: Wall-clock time, in hours, over all sessions.
        device_hours: Hours times devices of the worker groups (GPUs, or CPU workers where there are none).
        cost: Money, at `price` per node and hour.
        price: Price of a node for an hour.
    """

    hours: Annotated[float, Field(gt=0)] | None = None
    device_hours: Annotated[float, Field(gt=0)] | None = None
    cost: Annotated[float, Field(gt=0)] | None = None
    price: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _price(self) -> LimitsConfig:
        if self.cost is not None and self.price is None:
            raise ValueError("cost needs the price of a node per hour: limits.price=NUMBER")
        return self


class WarmStartConfig(Section):
    """An earlier search whose trials this one begins with.

    Attributes:
        search: Folder of the earlier search, or its name in `out`.
        use: "points": its best configurations are this search's first trials; "prior": its trials teach
            the searcher in place of random ones until it has its own.
        trials: Number of trials taken over.
    """

    search: Folder
    use: Literal["points", "prior"] = "points"
    trials: Positive = 8


class ObjectiveConfig(Section):
    """A metric to optimise.

    Attributes:
        metric: Name of a metric of every measurement of a trial.
        direction: Which way is better.
        floor: For a maximised metric, the least value that is acceptable (a constraint).
        ceiling: For a minimised one, the largest.
    """

    metric: str
    direction: Literal["min", "max"]
    floor: float | None = None
    ceiling: float | None = None

    @model_validator(mode="after")
    def _sense(self) -> ObjectiveConfig:
        if self.direction == "min" and self.floor is not None:
            raise ValueError("floor needs a maximised metric; use ceiling")
        if self.direction == "max" and self.ceiling is not None:
            raise ValueError("ceiling needs a minimised metric; use floor")
        return self

    @property
    def sign(self) -> float:
        """Turns the metric's values so that lower is better: 1 where it is minimised, else -1."""
        return 1.0 if self.direction == "min" else -1.0

    @property
    def best(self) -> str:
        """Which value is the best one, in words."""
        return "lowest" if self.direction == "min" else "highest"

    def cost(self, value: float) -> float:
        """A value turned so that lower is better, or a cost back into a value."""
        return self.sign * value


class HypothesisConfig(Section):
    """A claim about metrics, answered at the end with its interval (`search.judging.hypotheses`).

    Attributes:
        claim: A comparison of linear expressions, for example `adoption[new] > base.adoption + 0.1`
            (`search.claims.parse_claim`).
        over: Trials that a metric is the mean over: those of the "recommended" configuration, on the Pareto
            "front", or "all" at their full budget. None is "all" where trials are filtered, or else
            "recommended".
        where: Only trials with these values of parameters count.
        meaning: What the claim means, in a sentence.
    """

    claim: Text
    over: Literal["recommended", "front", "all"] | None = None
    where: dict[str, Value | Annotated[tuple[Value, ...], Field(min_length=1)]] = Field(default_factory=dict)
    meaning: Text | None = None

    @property
    def filters(self) -> dict[str, Filter]:
        """The conditions of `where`, by parameter."""
        return {
            name: Filter(name, "=", value if isinstance(value, tuple) else (value,))
            for name, value in self.where.items()
        }

    def scope(self, filtered: bool) -> Literal["recommended", "front", "all"]:
        """`over`, with what it is where it is not given.

        Args:
            filtered: Whether the claim itself filters trials.
        """
        return self.over or ("all" if filtered or self.where else "recommended")


NO_PRIOR = "none"
"""`prior` where the searcher begins with no knowledge of what is trained."""

BY_TRIAL = "trial"
"""`budget.steps` where each trial has its own number of steps."""


class BudgetConfig(Section):
    """Optimizer steps of a full trial, and the rungs at which it is saved and may be measured.

    Attributes:
        steps: Steps of a trial trained to the end. With `epochs` they are counted (`search.epochs`). "trial"
            is each trial's own number, which follows from its parameters; its rungs are shares of that.
        epochs: Passes over the training examples, in place of `steps`, where all trials have one batch size.
        rungs: Number of rungs, the last at `steps`, geometric with factor `eta`.
        eta: Reduction factor of the scheduler and ratio of neighbouring rungs.
        early_ratio: A scheduler that stops trials has them measured at a rung before the last where the rest
            of a trial's training will take at least this many times as long as the measurement; repetitions
            of candidates at no such rung. 0 measures everything at every rung.
    """

    steps: Positive | Literal["trial"] | None = None
    epochs: Annotated[float, Field(gt=0, le=LARGEST)] | None = None
    rungs: Annotated[int, Field(ge=1, le=10)] = 3
    eta: Annotated[int, Field(ge=2, le=16)] = 3
    early_ratio: Annotated[float, Field(ge=0, le=LARGEST)] = 10.0

    @model_validator(mode="after")
    def _room(self) -> BudgetConfig:
        if self.steps is None and self.epochs is None:
            raise ValueError("has neither steps nor epochs; give one of them")
        if isinstance(self.steps, int) and self.steps < self.least_steps:
            raise ValueError(
                f"{self.steps} steps have no room for {self.rungs} rungs with eta {self.eta}; "
                f"give at least {self.least_steps} steps or fewer rungs"
            )
        return self

    @property
    def least_steps(self) -> int:
        """Fewest steps that have room for the rungs."""
        return int(self.eta ** (self.rungs - 1))

    @property
    def by_trial(self) -> bool:
        """Whether each trial has its own number of steps."""
        return self.steps == BY_TRIAL

    @property
    def full_steps(self) -> int:
        """Steps of a trial trained to the end; to be asked once epochs have been counted.

        A budget that is `by_trial` has none: see `search.judging.rungs`.
        """
        assert isinstance(self.steps, int)
        return self.steps

    @property
    def rung_steps(self) -> tuple[int, ...]:
        """Step of each rung, ascending; the last is `full_steps`."""
        return self.rungs_of(self.full_steps)

    def rungs_of(self, full: int) -> tuple[int, ...]:
        """Step of each rung of a trial with `full` steps, ascending."""
        return tuple(max(1, round(full / self.eta**power)) for power in reversed(range(self.rungs)))

    @property
    def shares(self) -> tuple[float, ...]:
        """Each rung as a share of a trial's steps."""
        return tuple(1 / self.eta**power for power in reversed(range(self.rungs)))

    def place(self, rung: int) -> str:
        """Where a rung is, for messages: "step 30", or "33% of its steps"."""
        return f"{self.shares[rung]:.0%} of its steps" if self.by_trial else f"step {self.rung_steps[rung]}"

    @property
    def places(self) -> str:
        """All rungs, to follow "rungs at"."""
        if self.by_trial:
            return f"{', '.join(f'{share:.0%}' for share in self.shares)} of the trial's steps"
        return f"steps {', '.join(map(str, self.rung_steps))}"


class WorkersConfig(Section):
    """Worker groups; each is one Ray Train run that holds the base model.

    Attributes:
        groups: Number of groups; "auto" fills the nodes that are up and those that come, and asks the
            cluster's autoscaler for more while there are trials for them.
        workers: Workers per group (data parallel, and the shards of ZeRO stage 3).
        cpus: CPUs per worker.
        gpus: GPUs per worker; "auto" is 1 where the cluster has GPUs, else 0.
        slots: Trials that a group holds at once and trains in one pass; "auto" is measured when the group
            comes up.
        zero_stage: DeepSpeed ZeRO stage of the base model.
        micro_batch: Examples of one trial in a forward and backward pass on one worker; None is no limit. A
            batch that is divided gives the gradient of the whole (gradient accumulation). With
            `sequence_packing` it counts rows.
        gradient_checkpointing: Keep of each block only what goes in, and compute it again for the backward
            pass: less memory for about half more arithmetic, and the same numbers.
        sequence_packing: Put several short examples of a trial into a row, kept apart by their positions,
            instead of padding; where the model does not keep them apart, each has a row of its own.
        max_failures: Lost machines or processes of a group before it is given up; crashes do not count. A
            trial under which as many machines (at least 3) are lost on one rung fails.
        address: Address of a running Ray cluster; None starts one on this machine.
    """

    groups: Positive | Literal["auto"] = "auto"
    workers: Positive = 1
    cpus: Annotated[float, Field(gt=0)] = 1
    gpus: Annotated[float, Field(ge=0)] | Literal["auto"] = "auto"
    slots: Positive | Literal["auto"] = "auto"
    zero_stage: Literal[0, 1, 2, 3] = 0
    micro_batch: Positive | None = None
    gradient_checkpointing: bool = False
    sequence_packing: bool = False
    max_failures: Annotated[int, Field(ge=0, le=LARGEST)] = 10
    address: Text | None = None


class TrackingConfig(Section):
    """MLflow.

    Attributes:
        enabled: Whether the search is written to MLflow.
        uri: Address of a server or a database; None is a SQLite file beside the searches.
        experiment: Name of the experiment in MLflow.
    """

    enabled: bool = True
    uri: TrackingUri | None = None
    experiment: Text = "tightrope"


class AuditConfig(Section):
    """The audit before a search starts (`search.audit`).

    Attributes:
        allow: Ids of critical findings that are accepted; with others the search does not start.
        rules: A file with rules of your own, which also change or switch off shipped ones.
    """

    allow: tuple[Text, ...] = ()
    rules: Text | None = None


class Opening(Section):
    """What a configuration begins with, before the sections of its trainable.

    Attributes:
        space: Name or file of the space this came from.
        name: Name of the search; its folder is `out/name`. Without it, the name of the space, and of the
            trainable, model and task that the command line chooses in place of the space's.
        out: Folder of searches; `~` is expanded.
        seed: Seed of all that is random; those of trials are derived from it.
        trials: Number of trials, repetitions not counted.
        trainable: What is trained.
    """

    space: Text
    name: Text
    out: Folder = "runs"
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    trials: Positive = 16
    trainable: Text = "lora"


class SearchConfig(Opening):
    """A whole search.

    The sections that belong to the trainable stand beside these: `model_validate` gives an instance of the
    subclass that has them (`config_model`). Code that knows of no trainable reads them through `options`.
    The subclass also knows what registered searchers, schedulers and guards take (`search.config.choices`).

    Attributes:
        parameters: What is searched, by name.
        points: Listed points (values of `parameters`), tried before the searcher proposes.
        fixed: Parameters of the trainable that are not searched.
        baselines: References measured before any trial, by name; `--list` shows those of each trainable.
        objectives: What is optimised, the first within the bounds of the others. By default the training
            loss, and the first ratio to the base model with a floor of 0.95 (or, where lower is better, a
            ceiling of 1.05); without questions, the rise of the loss on general text with a ceiling of 0.05.
        hypotheses: Claims by name; judged together at the end.
        budget: How long a trial is trained, and when it is measured.
        searcher: What proposes trials.
        prior: What the searcher begins with: the name of the trainable's published knowledge, or "none". By
            default it is taken where it applies (`search.config.prior`).
        scheduler: What stops trials early.
        guards: What ends trials that are breaking the model.
        confirm: The repetition of the best candidates.
        limits: What the search may spend.
        warm_start: An earlier search to begin with.
        workers: Worker groups, and how they train.
        tracking: MLflow.
        audit: The audit before the search.
        report: Whether the report is made at the end of every session; `python -m analysis.report` makes it
            at any time.
        allow_code: Python files with metrics and tasks of your own that this search may run; on the command
            line only, also as `--allow-code FILE` ([own.md](own.md)).
    """

    parameters: Annotated[dict[str, Parameter], Field(min_length=1)]
    fixed: dict[str, Value] = Field(default_factory=dict)
    points: tuple[dict[str, Value], ...] = ()
    baselines: tuple[Text, ...] = ("base",)
    objectives: Annotated[tuple[ObjectiveConfig, ...], Field(min_length=1)] = ()
    hypotheses: dict[str, HypothesisConfig] = Field(default_factory=dict)
    budget: BudgetConfig
    searcher: Choice
    prior: Text = NO_PRIOR
    scheduler: Choice
    guards: GuardsConfig
    confirm: ConfirmConfig = ConfirmConfig()
    limits: LimitsConfig = LimitsConfig()
    warm_start: WarmStartConfig | None = None
    workers: WorkersConfig = WorkersConfig()
    tracking: TrackingConfig = TrackingConfig()
    audit: AuditConfig = AuditConfig()
    report: bool = True
    allow_code: Text | tuple[Text, ...] = ()

    @property
    def options(self) -> Any:
        """The sections that the trainable owns, as an instance of `TrainableSpec.options`."""
        options = TRAINABLES[trainable_of({"trainable": self.trainable})].options
        return options.model_construct(**{name: getattr(self, name) for name in options.model_fields})

    @property
    def metrics(self) -> tuple[MetricSpec, ...]:
        """What the trainable measures, which may take a look at the first lines of files."""
        return tuple(TRAINABLES[trainable_of({"trainable": self.trainable})].metrics(self.options))

    @classmethod
    def model_validate(cls, obj: Any, **settings: Any) -> Self:
        """As in pydantic; of `SearchConfig` itself the subclass of the trainable that `obj` names."""
        if cls is not SearchConfig:
            return super().model_validate(obj, **settings)
        model = config_model(trainable_of(obj))
        return cast(Self, model.model_validate(obj, **settings))

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **settings: Any) -> Self:
        """The same of JSON."""
        if cls is not SearchConfig:
            return super().model_validate_json(json_data, **settings)
        model = config_model(trainable_of(json.loads(json_data)))
        return cast(Self, model.model_validate_json(json_data, **settings))

    @model_validator(mode="after")
    def _with_objectives(self) -> Self:
        if self.objectives:
            return self
        return self.model_copy(update={"objectives": default_objectives(self.metrics)})


DEFAULT_TRAINABLE: str = Opening.model_fields["trainable"].default


def trainable_of(data: object) -> str:
    """The trainable that plain data name; the default where they name none that there is."""
    name = data.get("trainable") if isinstance(data, Mapping) else None
    return name if isinstance(name, str) and name in TRAINABLES else DEFAULT_TRAINABLE


@cache
def config_model(trainable: str) -> type[SearchConfig]:
    """The schema of searches with this trainable: the sections that it owns come after the opening."""
    options = TRAINABLES[trainable].options
    taken = [n for n in options.model_fields if n in SearchConfig.model_fields or n in dir(SearchConfig)]
    if taken:
        raise ValueError(
            f"sections of {trainable} have names that every search already uses: {', '.join(taken)}"
        )
    # `Opening` comes last to come first: fields are taken from the end of the bases.
    bases: Any = (SearchConfig, options, Opening)
    plugins: Any = {
        "searcher": section(SEARCHERS, "gp"),
        "scheduler": section(SCHEDULERS, "moasha"),
        "guards": guards_section(GuardsConfig),
    }
    return cast(type[SearchConfig], create_model(f"{options.__name__}Search", __base__=bases, **plugins))


def default_objectives(metrics: Iterable[MetricSpec]) -> tuple[ObjectiveConfig, ...]:
    """The training loss, and the first ratio to the base: at least 95%, or at most 105% (lower is better).

    Without a ratio, the first metric that stands in for one, under its ceiling.
    """
    objectives = [ObjectiveConfig(metric="train_loss", direction="min")]
    measured = [metric for metric in metrics if metric.at == "every"]
    for metric in measured:
        if metric.relative is not None:
            bound: dict[str, Any] = {"ceiling": 1.05} if metric.direction == "min" else {"floor": 0.95}
            direction = metric.direction or "max"
            return (*objectives, ObjectiveConfig(metric=metric.relative, direction=direction, **bound))
    for metric in measured:
        if metric.ceiling is not None:
            stand_in = ObjectiveConfig(metric=metric.name, direction="min", ceiling=metric.ceiling)
            return (*objectives, stand_in)
    return tuple(objectives)
