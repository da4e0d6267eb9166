"""What the parts of an evaluation share: the model, and how many rows a pass of it may have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from trainables.data.examples import Example
from trainables.evaluation.inference.forward import Forward
from trainables.evaluation.inference.heldout import example_losses
from trainables.evaluation.outcomes import Outcomes

Shard: TypeAlias = tuple[int, int]
"""(rank, world): a worker's share is every item whose index is `rank` modulo `world`."""


def share(shard: Shard, count: int) -> range:
    """Indices of a worker's share of `count` items."""
    return range(shard[0], count, shard[1])


@dataclass(frozen=True)
class Passes:
    """The model under evaluation.

    Attributes:
        pad_id: Any token id; nothing sees it.
        batch_size: Rows of a pass, at most; on a GPU, of each adapter in it.
    """

    forward: Forward
    pad_id: int
    batch_size: int

    def rows(self, copies: int) -> int:
        """Rows of a pass, at most: a GPU is far from full with one adapter's, a CPU is not."""
        shared = self.forward.device.type == "cuda" and not self.forward.collective
        return self.batch_size * (copies if shared else 1)

    def losses(self, examples: Sequence[Example], copies: int) -> list[list[float]]:
        """See `example_losses`."""
        return example_losses(
            self.forward, examples, copies=copies, pad_id=self.pad_id, batch_size=self.rows(copies)
        )


class Part(Protocol):
    """A part of an evaluation.

    Attributes:
        name: Of its time, in `Outcomes.seconds`.
    """

    name: str

    def run(self, outcomes: Sequence[Outcomes], shard: Shard) -> None:
        """Measures a worker's share by the adapters whose outcomes these are, and enters what it finds."""


class Comparison(Part, Protocol):
    """A part that compares with the base model; without having seen it, it does nothing."""

    def take_base(self, shard: Shard) -> None:
        """Keeps what the base model says; no adapter may be active."""
