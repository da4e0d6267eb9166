"""What the parts of an evaluation share: the model, the size of its passes, and held-out loss."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from torch import Tensor
from torch.nn import functional

from trainables.data.batches import IGNORED, collate
from trainables.data.examples import Example
from trainables.evaluation.inference.batching import LOGITS, Budget, Shape, batches_by_shape
from trainables.evaluation.inference.forward import Forward
from trainables.evaluation.outcomes import Outcomes
from trainables.messages import Moment
from trainables.models.chunks import NextTokens
from trainables.settings import At

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

    def mean_loss(self, examples: Sequence[Example]) -> float:
        """Mean loss per target token in nats, with one adapter or none; every worker computes all of it."""
        with self.forward.evaluating():
            (losses,) = self.losses(examples, 1)
        return sum(losses) / sum(example.targets for example in examples)


@contextmanager
def timed(seconds: dict[str, float], part: str) -> Iterator[None]:
    """Adds the time that is spent within to that of a part of an evaluation."""
    started = time.perf_counter()
    yield
    seconds[part] = seconds.get(part, 0.0) + time.perf_counter() - started


class Part(Protocol):
    """A part of an evaluation.

    Attributes:
        name: Of its time, in `Outcomes.seconds`.
    """

    name: str

    def run(self, outcomes: Sequence[Outcomes], shard: Shard) -> None:
        """Measures a worker's share with each adapter, and records it in that adapter's outcomes."""


class Comparison(Part, Protocol):
    """A part that compares with the base model; it does nothing before it has seen the base model."""

    def take_base(self, shard: Shard) -> None:
        """Stores the base model's values; no adapter may be active."""


_TOKENS = 2**15
"""Padded tokens of a pass that makes no logits but those of targets, at most."""


def example_losses(
    forward: Forward, examples: Sequence[Example], *, copies: int, pad_id: int, batch_size: int
) -> list[list[float]]:
    """Loss of each example, summed over its targets, in nats, by each adapter.

    Args:
        forward: The model, in evaluation mode.
        examples: May be none.
        copies: Number of adapters.
        pad_id: Any token id; nothing sees it.
        batch_size: Rows per pass, at most, but `copies` at least.

    Returns:
        For each adapter the loss of each example.
    """
    most = _TOKENS if forward.output_head else LOGITS // int(forward.config.vocab_size)
    most = min(most, forward.tokens or most) // copies
    shapes = [Shape(len(example.input_ids), 0) for example in examples]
    losses = [[0.0] * len(examples) for _ in range(copies)]
    for batch in batches_by_shape(
        shapes, Budget(batch_size // copies, most, most, forward.overhead // copies)
    ):
        batch_losses = _losses(forward, [examples[index] for index in batch], copies, pad_id)
        for values, row in zip(losses, batch_losses.tolist(), strict=True):
            for index, value in zip(batch, row, strict=True):
                values[index] = value
    return losses


def _losses(forward: Forward, examples: Sequence[Example], copies: int, pad_id: int) -> Tensor:
    """Shape (copies, examples)."""
    batch = collate(examples, pad_id)
    if forward.output_head is not None:
        ids, labels = (batch[key].repeat(copies, 1) for key in ("input_ids", "labels"))
        targeted = NextTokens.of(labels).to(forward.device)
        by_token = forward.losses(ids.to(forward.device), targeted, [len(examples)] * copies)
        return by_token.sum(-1).view(copies, len(examples))
    # The logits at a position are for the next token, and those at the last for none.
    targets = functional.pad(batch["labels"][:, 1:], (0, 1), value=IGNORED)
    wanted = (targets != IGNORED).any(0)
    # In completions the prompt comes first, and most of the logits would be for nothing.
    last = max(1, targets.shape[1] - int(wanted.long().argmax()))
    targets = targets[:, -last:].to(forward.device).repeat(copies, 1)
    ids = batch["input_ids"].to(forward.device).repeat(copies, 1)
    logits = forward.logits(ids, [len(examples)] * copies, last)
    losses = functional.cross_entropy(
        logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED, reduction="none"
    )
    return losses.view(copies, len(examples), last).sum(-1)


ASKED: Mapping[Moment, frozenset[At]] = {
    "rung": frozenset({"every"}),
    "last": frozenset({"every", "last"}),
    "front": frozenset({"front"}),  # all else was measured when the trial was at its full budget
    "base": frozenset({"every", "last", "front"}),
}
"""The skills that are evaluated, by their `at`."""
