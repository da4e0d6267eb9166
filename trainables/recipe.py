"""How a trial was trained, in the terms that other trainers of LoRA adapters share. Light: no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, NamedTuple, TypeAlias

from trainables.data.sources import HubDataset, Kind
from trainables.parameters import Schedule


@dataclass(frozen=True)
class DataFile:
    """A file that was trained on.

    Attributes:
        path: With home folders in full, and else as configured.
        kind: How it is read; None where that is not known, because it is not there any more.
        packed: Whether it is compressed by gzip.
    """

    path: str
    kind: Kind | None
    packed: bool = False

    @property
    def by_line(self) -> bool:
        """Whether its ending says that it has one JSON object a line."""
        return not {".jsonl", ".ndjson"}.isdisjoint(map(str.lower, PurePath(self.path).suffixes))


@dataclass(frozen=True)
class DataRecipe:
    """What was trained on.

    Attributes:
        files: In their order; empty where it is a data set of the hub.
        hub: The data set of the hub; None where it is files.
        form: Name of the records' form (`trainables.data.formats`); "auto" where it was not recorded.
        text: Field of plain text.
        prompt: Field of the prompt.
        completion: Field of the reply.
        template: Templates of prompt and reply, where they are made of several fields.
        last: Whether only a conversation's last turn is learned.
        max_length: Tokens of an example, at most; None where it is not known.
    """

    files: tuple[DataFile, ...]
    hub: HubDataset | None
    form: str
    text: str
    prompt: str
    completion: str
    template: tuple[str, str] | None
    last: bool
    max_length: int | None


@dataclass(frozen=True)
class Recipe:
    """A LoRA adapter's training.

    Attributes:
        base: Hub id or folder.
        revision: Of the hub.
        trust_remote_code: Whether code that comes with the base may run.
        nf4: Whether the base is kept in 4 bits.
        double_quant: Whether its scales are quantised too.
        lr: Peak learning rate of AdamW.
        weight_decay: Decoupled.
        clip: Largest norm of the gradient; 0 is off.
        schedule: Shape of the learning rate after the warm-up.
        warmup_steps: Length of the linear warm-up.
        decay_steps: Last steps of `wsd`, in which the rate falls linearly to 0.
        steps: Optimizer steps.
        batch_size: Examples per optimizer step.
        seed: Of everything random.
        rank: Of the adapter.
        alpha: Numerator of its scale.
        dropout: On its input.
        rslora: Whether alpha is divided by sqrt(rank).
        start: What A and B begin as, PEFT's `init_lora_weights`; True is its default.
        loraplus_lr_ratio: The learning rate of B as a multiple of `lr`, which is then that of A.
        dora: Whether the outputs of the layers have magnitudes of their own.
        targets: Last parts of the names of the layers that have an adapter.
        layers: Number of blocks that have adapters, from the first; None is all.
        data: What was trained on.
        unsaid: What the configurations of other trainers cannot say, a sentence each.
    """

    base: str
    revision: str | None
    trust_remote_code: bool
    nf4: bool
    double_quant: bool
    lr: float
    weight_decay: float
    clip: float
    schedule: Schedule
    warmup_steps: int
    decay_steps: int
    steps: int
    batch_size: int
    seed: int
    rank: int
    alpha: float
    dropout: float
    rslora: bool
    start: bool | str
    loraplus_lr_ratio: float
    dora: bool
    targets: tuple[str, ...]
    layers: int | None
    data: DataRecipe
    unsaid: tuple[str, ...] = ()


class Run(NamedTuple):
    """A trial as it was trained.

    Attributes:
        options: The sections of the configuration that its trainable owns.
        params: Its parameters, an instance of `TrainableSpec.parameters`.
        steps: Optimizer steps of its full budget.
        artifact: Folder of what it left behind.
        data: Numbers about the data (`trainables.data.facts`), as recorded; may be empty.
    """

    options: Any
    params: Any
    steps: int
    artifact: Path
    data: Mapping[str, Any]


MakeRecipe: TypeAlias = Callable[[Run], Recipe]
