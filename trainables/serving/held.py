"""What a worker holds for a trainable: the protocol between those who serve requests and those who train."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import torch

from trainables.errors import TrainableError
from trainables.interval import Interval
from trainables.messages import GroupFacts, GroupSettings, Moment
from trainables.serving.base import HeldBase
from trainables.serving.slices import Slice


class Trial(Protocol):
    """One trial that is held.

    Attributes:
        step: Optimizer steps done.
        slice: What training has measured since the trial was started.
    """

    step: int
    slice: Slice


T = TypeVar("T", bound=Trial)


@dataclass
class Stepped(Generic[T]):
    """What an optimizer step led to.

    Attributes:
        reached: Trials that are at the step they were to be trained to.
        failed: Trials that cannot go on, and why.
        interrupt: Whether the first worker passed `interrupt`.
    """

    reached: list[T] = field(default_factory=list)
    failed: list[tuple[T, TrainableError]] = field(default_factory=list)
    interrupt: bool = False


@dataclass(frozen=True)
class Evaluation:
    """What was measured of one trial, or of a baseline, over all workers.

    Attributes:
        metrics: By name, as the trainable declares them.
        intervals: Metric to its 95% interval.
        items: See `trainables.messages.Reply`.
        seconds: Time that it took; of trials that are measured together, a share of it.
        parts: Seconds of it by part.
        write_items: Writes the results item by item into a file, after those of another one where there
            was one before; None where there are no items.
        values: Of metrics that are means of numbers, the number of each item.
    """

    metrics: dict[str, float]
    intervals: dict[str, Interval] = field(default_factory=dict)
    items: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)
    write_items: Callable[[Path, Path | None], None] | None = None
    values: Mapping[str, Sequence[float]] = field(default_factory=dict)


class Held(Protocol[T]):
    """Holds the base and several trials, and trains those that have been started.

    All workers of a group hold the same trials and make the same calls in the same order; those that are
    collective say so. A trial's numbers depend on its parameters, the data and the step alone: not on other
    trials, on the worker, or on whether it was saved and loaded in between.

    Attributes:
        base: The base model, with the group's collective calls.
        no_room: What to do where there is no memory for a trial even alone.
    """

    base: HeldBase
    no_room: str

    @property
    def asks_more_at_last(self) -> bool:
        """Whether trials at their full budget are measured in more than trials before."""

    @property
    def active(self) -> Sequence[T]:
        """Trials that have been started, and are not where they are to be trained to."""

    def facts(self, device: str, seconds: float) -> GroupFacts:
        """What the driver learns when the group is up.

        Args:
            device: Its device in words.
            seconds: Time until it was up.
        """

    def add(self, name: str, params: Any) -> T:
        """Holds a new trial.

        Args:
            name: Its own while it is held.
            params: Valid parameters of the trainable.

        Raises:
            UserError: They do not fit the base model; on every worker alike.
            torch.OutOfMemoryError: There is no room for it; nothing has changed.
        """

    def remove(self, trial: T) -> None:
        """Lets go of a trial; the base and the other trials are as they were. Needs no memory."""

    def start(self, trial: T, until: int) -> None:
        """Has a trial take part in the steps to come, up to step `until`, with an empty `slice`."""

    def step(self, interrupt: bool) -> Stepped[T]:
        """One optimizer step of every trial that has been started; a collective call.

        Args:
            interrupt: On the first worker, a message to all workers.

        Raises:
            torch.OutOfMemoryError: In the middle of what several workers do together.
        """

    def save(self, trial: T, folder: Path) -> None:
        """Writes what the trial leaves behind into `folder`, and while there are steps left, `MOMENTS`."""

    def load(self, trial: T, folder: Path, step: int) -> None:
        """Takes up a new trial after `step` steps from what `save` wrote.

        Raises:
            FileNotFoundError: It is not there.
        """

    def measure(self, trials: Sequence[T], moment: Moment) -> list[Evaluation]:
        """Measures trials together; a collective call.

        Raises:
            UserError: They cannot be measured; on every worker alike.
            torch.OutOfMemoryError: On any worker.
        """

    def measure_baseline(self, name: str) -> Evaluation:
        """Measures a reference that the trainable declares; a collective call.

        Raises:
            UserError: It cannot be measured; on every worker alike.
        """


Begin: TypeAlias = Callable[[int], Held[Any]]
"""Puts together what a worker holds; a collective call.

Its argument is how often the group's workers have died for want of memory. It raises `UserError`, on every
worker alike, where nothing can be trained as configured.
"""

Read: TypeAlias = Callable[[GroupSettings, torch.device], Begin]
"""Reads the base and the data; no collective call. It raises `TrainableError` where they cannot be read."""
