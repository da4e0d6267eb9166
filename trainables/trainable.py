"""What a trainable is: the light specification that the search knows it by, and what its workers hold.

A trainable is one folder and one registration. `search` and `analysis` see its `TrainableSpec` alone, which
imports neither torch nor Ray; a worker group calls `TrainableSpec.worker` for what does the training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, ConfigDict

from trainables.audited import Audited
from trainables.prior import Prior
from trainables.recipe import MakeRecipe
from trainables.registry import Registry
from trainables.settings import At, Section

if TYPE_CHECKING:
    from pathlib import Path

    from trainables.serving.held import Read

Direction: TypeAlias = Literal["min", "max"]
Effect: TypeAlias = Literal["search", "content", "none"]
"""What a change of a setting means to a search that has begun: it is another search; nothing as long as what
is named there has the same content; nothing."""


BASE = "base"
"""The baseline that ratios are relative to."""


@dataclass(frozen=True)
class MetricSpec:
    """A metric that a trainable measures.

    Attributes:
        name: Under which it is reported and may be an objective.
        meaning: In one sentence, for glossaries.
        direction: Which way is better; None where neither is.
        low: Its least value.
        high: Its greatest value.
        relative: Name of its ratio to the base's value, which the search then adds with an interval; None
            where it is not compared with the base. The base's value must be above 0.
        at: "every" rung, the "last" one of trials at their full budget, or the Pareto "front" once the search
            is over. Only what is measured at every rung may be an objective.
        items: Names of the items (`Reply.items`) whose mean it is; an interval of its ratio is then paired
            with the base item by item. Without them the base's value counts as known exactly.
        over: What each of `items` is an outcome of, in the same order, or, of a mean of numbers, what these
            are of: outcomes of the same, such as replies to the same prompts under two conditions, are
            compared item by item. Empty: each is of its own.
        together: How many outcomes that follow one another in `items` depend on one another, such as sampled
            replies to one prompt.
        sample: What `Interval.n` counts, in the plural.
        family: For metrics that are explained once for several parts: the name with <part> where theirs
            is, for example "<skill>_generation".
        trained: Whether it is of what training leads to, so that no baseline has it.
        ceiling: Where a space names no objectives and nothing has a ratio to the base, it is minimised under
            this bound; None where it is no such stand-in.
        caveat: What it cannot show as an objective, in a sentence.
    """

    name: str
    meaning: str
    direction: Direction | None = None
    low: float = -math.inf
    high: float = math.inf
    relative: str | None = None
    at: At = "every"
    items: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    together: int = 1
    sample: str = "items"
    family: str | None = None
    trained: bool = False
    ceiling: float | None = None
    caveat: str = ""


class Shown(BaseModel):
    """Metrics that are worth showing beside the objectives, by decreasing importance.

    Attributes:
        summary: In tables of trials.
        report: In plots, and where the recommended trial stands beside the base.
        verdict: In the latter alone.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    summary: tuple[str, ...] = ()
    report: tuple[str, ...] = ()
    verdict: tuple[str, ...] = ()


class Part(NamedTuple):
    """One of several things that a trial leaves behind.

    Attributes:
        meaning: What it is, and what loading it does, in words that go on after its name and a colon.
        harmful: Whether whoever loads it must be warned.
    """

    meaning: str
    harmful: bool = False


@dataclass(frozen=True)
class Artifact:
    """What a trial leaves behind.

    Attributes:
        name: What it is called, for example "adapter".
        load: How a user loads it, a line of Python in which {folder} stands for where it lies.
        form: Of its files, for example "PEFT format".
        parts: Where it is several things, what each of its folders holds, "." being its own.
    """

    name: str
    load: str
    form: str = ""
    parts: Mapping[str, Part] = field(default_factory=dict)


class Finding(NamedTuple):
    """Something wrong with the options of a configuration.

    Attributes:
        key: Dotted key, for example "task.train".
        message: What is wrong.
        hint: What would be right.
    """

    key: str
    message: str
    hint: str | None = None


def no_findings(options: Any) -> Iterable[Finding]:
    """Nothing is wrong beyond what the schema says."""
    return ()


def plain_subject(options: Any) -> str:
    """The name of the model, where the options have one."""
    model = getattr(options, "model", None)
    return str(getattr(model, "name", "the base"))


Place: TypeAlias = Callable[[str], str]
"""Given a path, or a name that may be one, returns where that lies for whoever asks."""


Merge: TypeAlias = Callable[[Any, "Path", "Path"], str | None]
"""Given options, the folder of an artifact, and a folder that is there: writes the base with the artifact in
its weights into the latter; returns what must be known of it, in words. Raises `UserError`."""


def unchanged(options: Any, place: Place) -> Any:
    """The options as they are: they name no files."""
    return options


@dataclass(frozen=True)
class TrainableSpec:
    """A trainable as `search` and `analysis` know it.

    `options` is the part of the configuration that the trainable owns: each of its fields is a section at the
    top level of the configuration, beside those that every search has. All functions take an instance of it.

    Attributes:
        parameters: Validates a trial's parameters; field names are the parameter names. It needs `seed`.
        options: Sections of the configuration. Those named model, task and capability take presets.
        presets: By section that may be left out, the preset that it is then.
        metrics: What an evaluation measures, beside `train_loss` and the ratios to the base. Called with
            valid options only; reads no more than the first lines of files.
        worker: Imports and returns what reads the base and the data, and leads to what is held
            (`trainables.serving.held`); called in a worker alone.
        artifact: What a trial leaves behind.
        shown: Which of the metrics to show beside the objectives; None is all of them, those that are
            relative to the base first.
        words: Terms of its own for the report's glossary, that of the artifact first.
        loss_unit: Of `train_loss`, for example "nats per token".
        baselines: References that it can measure by name, with a line of description. "base" is the untouched
            base, which ratios are relative to.
        trained_baselines: Those of them that are trained, once and with one seed.
        lacks: By options and the name of a baseline what it needs that they do not have, in words; None where
            it can be measured.
        unpacked: Why its trials run one at a time in a worker group, in words; None where several are
            trained in one pass.
        unsharded: Why workers cannot share out the weights of the base (ZeRO stage 3), in words; None where
            they can.
        subject: What is trained, in a few words, for titles.
        check: What is wrong with options that the schema takes, before anything is started.
        plan: Sizes, memory and time for `--plan` (`trainables.planning`: a `PlanRequest` to a
            `TrainablePlan`), without torch where that is possible; None where it cannot say.
        inspect: A look into the data themselves before a search starts, by options, seed and the names of the
            baselines; raises `PlanRefusedError` where it must not be run.
        examples: Number of training examples, for a budget in epochs; None where there are no epochs.
        trial_steps: By options and seed reads the training data, and returns the number of optimizer steps of
            a trial as a function of its parameters, which raises `WrongParameterError`; None where no
            parameter says how long a trial is trained. A trainable that has it has the parameter `epochs`.
        localise: The options with `place` applied to every setting that may name a local file or folder:
            workers may run in another folder, or on another machine.
        effects: Of its settings by dotted key; those that are not listed make another search.
        names: By dotted key of a setting the registry of the names that it takes, for `--list`.
        contents: By dotted key a digest of what lies there, for settings with the effect "content".
        audited: What the audit of a search is told of it.
        merge: Merges what a trial left behind into the base; None where that cannot be.
        unmerged: Why it cannot, in words; None where it can.
        prior: Published knowledge of its parameters, with which a search of them begins; None where there is
            none.
        recipe: How a trial was trained, for other trainers; None where they cannot train the like.
    """

    parameters: type[BaseModel]
    options: type[Section]
    metrics: Callable[[Any], Sequence[MetricSpec]]
    worker: Callable[[], Read]
    artifact: Artifact
    presets: Mapping[str, str] = field(default_factory=dict)
    shown: Callable[[Any], Shown] | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    loss_unit: str = ""
    baselines: Mapping[str, str] = field(default_factory=lambda: {"base": "the untouched base model"})
    trained_baselines: tuple[str, ...] = ()
    lacks: Callable[[Any, str], str | None] = lambda options, name: None
    unpacked: str | None = None
    unsharded: str | None = None
    subject: Callable[[Any], str] = plain_subject
    check: Callable[[Any], Iterable[Finding]] = no_findings
    plan: Callable[[Any], Any] | None = None
    inspect: Callable[[Any, int, Collection[str]], None] = lambda options, seed, baselines: None
    examples: Callable[[Any, int], int] | None = None
    trial_steps: Callable[[Any, int], Callable[[Any], int]] | None = None
    localise: Callable[[Any, Place], Any] = unchanged
    effects: Mapping[str, Effect] = field(default_factory=dict)
    names: Mapping[str, Registry[Any]] = field(default_factory=dict)
    contents: Callable[[Any], Mapping[str, str]] = lambda options: {}
    audited: Audited = field(default_factory=Audited)
    merge: Merge | None = None
    unmerged: str | None = None
    prior: Prior | None = None
    recipe: MakeRecipe | None = None


TRAINABLES: Registry[TrainableSpec] = Registry("trainable", plugins="tightrope.trainables")
"""Filled by `trainables.specs`, which is where to import it from."""
