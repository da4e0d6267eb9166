"""What the search and a worker group say to each other. Light: no torch, no Ray."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from trainables.measured import Measured, Trained

Scalar: TypeAlias = bool | int | float | str | None

Params: TypeAlias = dict[str, Scalar]
"""Every parameter of a trial, by name."""

Outcome: TypeAlias = Literal[
    "ok", "diverged", "spike", "out_of_memory", "user", "crashed", "worker_lost", "withdrawn"
]

Moment: TypeAlias = Literal["rung", "last", "front", "base"]
"""A trial is at a rung before the last, at its full budget, or on the Pareto front of the finished search;
or it is a baseline that is measured."""

TRAIN_LOSS = "train_loss"
"""The metric that training measures."""

DEGENERATE = "degenerate"
"""The metric, and the key of its items; no skill may be named so."""


@dataclass(frozen=True)
class Distant:
    """What workers on other machines than the driver's need to know.

    Attributes:
        marker: Name of a file in the search's folder: a machine that has it there shares the folder.
        inputs: Digest of what lies at each path that the options name (`trainables.contents`).
        versions: Of the packages and the code that the driver's machine has.
        code: Folder of this package on the driver's machine.
        host: Name of the driver's machine.
    """

    marker: str
    inputs: Mapping[str, str]
    versions: Mapping[str, str]
    code: str
    host: str


@dataclass(frozen=True)
class GroupSettings:
    """All that the workers of a group need to serve trials.

    Attributes:
        trainable: Registered name of the trainable.
        options: The sections of the configuration that it owns.
        seed: The search's seed: of data splits and of the choice of questions.
        total_steps: Steps of a trial's full budget, where its parameters do not say them; else those of the
            longest trial that there can be.
        folder: The search's folder on the driver's machine, absolute; checkpoints lie below it.
        threads: CPU threads per worker.
        use_gpu: Whether workers have been given a GPU; others leave it alone.
        slots: Trials that the group holds at once; None: it measures, and chooses.
        most_slots: It never holds more.
        probes: Parameters of trials like those that the search will train, to measure with; at least one.
        gradient_checkpointing: Whether blocks are computed again for the backward pass.
        sequence_packing: Whether short examples of a trial share rows, where the model keeps them apart.
        spike: A trial ends where its smoothed training loss rises to this multiple of its lowest value;
            None lets it.
        distant: What workers need that may run on other machines; None: all of them run on this one.
        copies: Folders and files of this machine, and what they are copies of on the driver's.
    """

    trainable: str
    options: Any
    seed: int
    total_steps: int
    zero_stage: int
    micro_batch: int | None
    folder: str
    threads: int
    use_gpu: bool
    slots: int | None
    most_slots: int
    probes: tuple[Params, ...]
    spike: float | None = None
    gradient_checkpointing: bool = False
    sequence_packing: bool = False
    distant: Distant | None = None
    copies: tuple[tuple[str, str], ...] = ()

    def on_driver(self, path: str) -> str:
        """What the driver's machine knows a path of this one by: copies may be gone when a result is used."""
        for here, there in self.copies:
            if path == here or path.startswith(f"{here}/"):
                return there + path.removeprefix(here)
        return path


@dataclass(frozen=True)
class EarlyRungs:
    """Says whether a trial is measured at a rung before its last, by what is at stake there.

    Attributes:
        full_steps: Optimizer steps of the trial's full budget.
        ratio: It is measured where what stopping it would save, the rest of its training, takes at least this
            many times as long as the measurement. Infinite: nowhere.
        seconds: What a measurement at such a rung takes; None where none has been made yet.
        most_seconds: What one at the full budget takes; None likewise. It asks no less.
    """

    full_steps: int
    ratio: float
    seconds: float | None = None
    most_seconds: float | None = None

    def pays(self, step: int, step_seconds: float, asks_more_at_last: bool) -> bool:
        """Whether a measurement is worth its time; it is where nobody knows yet what one takes."""
        if math.isinf(self.ratio):
            return False
        if self.seconds is None and (self.most_seconds is None or asks_more_at_last):
            return True
        most = math.inf if self.most_seconds is None else self.most_seconds
        takes = most if self.seconds is None else min(self.seconds, most)
        more_at_last = most - takes if asks_more_at_last and self.most_seconds is not None else 0.0
        return step_seconds * (self.full_steps - step) + more_at_last >= self.ratio * takes

    def after(self, reply: Reply) -> EarlyRungs:
        """The same with what a measurement at a rung before the last took."""
        return replace(self, seconds=reply.eval_seconds) if reply.measured else self


@dataclass(frozen=True)
class TrainRequest:
    """Train a trial to a rung, save its adapter, and measure it there.

    Says all that is needed to do so anywhere: a group that still holds the trial at `from_step` goes
    on at once, any other loads `load_from` first.

    Attributes:
        trial: Number of the trial.
        params: Every parameter of the trainable.
        from_step: Optimizer steps done before.
        to_step: Optimizer steps to reach.
        load_from: Folder of the last rung's checkpoint, relative to the search's; None at step 0.
        save_to: Folder for this rung's checkpoint, likewise.
        last: Whether this is the full budget, with the skills that are evaluated only there.
        earlier: Steps and folders of the checkpoints before `load_from`, the latest first: where it cannot be
            read, the trial is trained again from one of these.
        early: Says whether it is measured where it is not `last`; None: it is.
    """

    trial: int
    params: Params
    from_step: int
    to_step: int
    load_from: str | None
    save_to: str
    last: bool = True
    earlier: tuple[tuple[int, str], ...] = ()
    early: EarlyRungs | None = None

    def measures(self, train_seconds: float, asks_more_at_last: bool = False) -> bool:
        """Whether the trial is measured once it is at `to_step`.

        Args:
            train_seconds: Its share of the time in training since `from_step`.
            asks_more_at_last: Whether trials are measured in more at their full budget.
        """
        if self.last or self.early is None:
            return True
        steps = max(1, self.to_step - self.from_step)
        return self.early.pays(self.to_step, train_seconds / steps, asks_more_at_last)

    def following(self, reply: Reply, to_step: int, last: bool = True) -> TrainRequest:
        """The request of the next rung, which may be the last, once `reply` has answered this one."""
        folder, rung = self.save_to.rsplit("-", 1)
        before = () if self.load_from is None else ((self.from_step, self.load_from),)
        return replace(
            self,
            earlier=before + self.earlier,
            from_step=reply.step,
            to_step=to_step,
            load_from=reply.checkpoint,
            save_to=f"{folder}-{int(rung) + 1}",
            last=last,
            early=None if self.early is None else self.early.after(reply),
        )


@dataclass(frozen=True)
class FrontRequest:
    """Ask a trial that has finished the skills with `at: front`, with the adapter that it ended with.

    Attributes:
        trial: Number of the trial.
        params: Every parameter of the trainable.
        from_step: Optimizer steps done.
        load_from: Folder of its last checkpoint, relative to the search's.
        items_before: The file of its results item by item so far, likewise; None where there is none.
        earlier: See `TrainRequest`.
    """

    trial: int
    params: Params
    from_step: int
    load_from: str
    items_before: str | None = None
    earlier: tuple[tuple[int, str], ...] = ()


def checkpoint_folder(trial: int, rung: int) -> str:
    """Where a rung's adapter lies, relative to the search's folder."""
    return f"trials/{trial:04d}/rung-{rung}"


def items_file(folder: str) -> str:
    """Where the results item by item lie that belong to a checkpoint's folder, relative to the search's."""
    return f"{folder}.items.parquet"


def front_items_file(folder: str) -> str:
    """The same once the skills with `at: front` have been evaluated."""
    return f"{folder}.front.items.parquet"


def baseline_folder(name: str) -> str:
    """What a baseline's files are named after, relative to the search's folder."""
    return f"baselines/{name}"


@dataclass(frozen=True)
class BaselineRequest:
    """Measure the base model as it is."""

    name: str = "base"


@dataclass(frozen=True)
class GiveUp:
    """Stop what a trial is in training for, in the middle: it was withdrawn."""

    trial: int


TrialRequest: TypeAlias = TrainRequest | FrontRequest
Request: TypeAlias = TrialRequest | BaselineRequest


class Reply(Trained):
    """The answer to a request.

    Attributes:
        outcome: "ok", or why the rung was not reached; `metrics` are then what was measured before.
        message: In words, where not "ok".
    """

    outcome: Outcome
    message: str = ""

    def __init__(self, outcome: Outcome, message: str = "", **measured: Any) -> None:
        super().__init__(outcome=outcome, message=message, **measured)

    def of_training(self) -> Reply:
        """The same had the trial not been measured at its rung."""
        loss = {name: value for name, value in self.metrics.items() if name == TRAIN_LOSS}
        nothing = Measured(metrics=loss).model_dump() | {"items": {}, "eval_seconds": 0.0}
        return self.model_copy(update=nothing | {"measured": False})


@dataclass(frozen=True)
class Delivery:
    """A request on its way to a slot of a group; one to give up has the sequence number of what it ends."""

    sequence: int
    slot: int
    request: Request | GiveUp


@dataclass(frozen=True)
class GroupFacts:
    """What a group found when it came up.

    Attributes:
        device: In words, for example "cpu" or the GPU's name.
        model_fingerprint: Digest or revision of the base model.
        data_fingerprint: Digest of the training data, the held-out data and the questions.
        load_seconds: Time until the group could serve.
        slots: Trials that it holds at once.
        packing: In one line, why that many.
        attention: What computes attention, as `transformers` names it.
        data: Numbers about the data (`trainables.data.facts`), and the length of replies.
    """

    device: str
    model_fingerprint: str
    data_fingerprint: str
    load_seconds: float
    slots: int
    packing: str
    attention: str = ""
    data: dict[str, bool | int | float | str] = field(default_factory=dict)
