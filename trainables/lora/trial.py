"""One trial in training: an adapter with its own data order, optimizer, schedule, seed and step count."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from trainables.data.batches import collate
from trainables.data.examples import Example
from trainables.data.loss import token_loss
from trainables.data.order import DataOrder
from trainables.errors import OutOfMemoryError
from trainables.lora.adapters import Adapters
from trainables.lora.base import HeldBase
from trainables.lora.optimizer import AdapterOptimizer
from trainables.lora.parameters import LoraParameters


@dataclass
class Slice:
    """What training measured between two rungs.

    Attributes:
        losses: Mean loss of each optimizer step.
        tokens: Target tokens of each.
        seconds: Time spent.
    """

    losses: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def mean_loss(self) -> float:
        """Mean over target tokens; NaN where no step was done."""
        total = sum(self.tokens)
        return (
            sum(a * b for a, b in zip(self.losses, self.tokens, strict=True)) / total
            if total
            else float("nan")
        )

    def curve(self, first_step: int, points: int = 50) -> list[tuple[int, float]]:
        """At most `points` pairs of (step, mean loss of the steps since the last pair)."""
        width = -(-len(self.losses) // points) if self.losses else 1
        pieces = [self.losses[i : i + width] for i in range(0, len(self.losses), width)]
        ends = [min((i + 1) * width, len(self.losses)) for i in range(len(pieces))]
        return [(first_step + end, sum(piece) / len(piece)) for end, piece in zip(ends, pieces, strict=True)]


class LoraTrial:
    """Trains one adapter on the shared base; a pure function of its parameters, data and step.

    The data order and the dropout are drawn from (seed, step), so that a trial which goes on from a
    checkpoint does what it would have done without the break.

    Args:
        name: Adapter name, unique in the worker while the trial is held.
        params: The trial's parameters.
        base: The shared base model.
        adapters: Its adapters.
        examples: Training examples, the same on every worker.
        total: Steps of the full budget.
        micro_batch: Examples per pass on this worker; None is this worker's share of a batch.
    """

    def __init__(
        self,
        name: str,
        params: LoraParameters,
        base: HeldBase,
        adapters: Adapters,
        examples: Sequence[Example],
        total: int,
        micro_batch: int | None,
    ) -> None:
        self.name = name
        self.params = params
        self.step = 0
        self.slice = Slice()
        self._total = total
        self._base = base
        self._adapters = adapters
        self._examples = examples
        self._order = DataOrder(params.seed, len(examples), params.batch_size)
        share = -(-params.batch_size // base.world)
        self._micro = min(micro_batch or share, share)
        adapters.add(name, params)
        self._optimizer = AdapterOptimizer(adapters.parameters(name), params, total)
        self._device = next(iter(adapters.parameters(name).values())).device

    def train(self, until: int) -> None:
        """Trains up to step `until`; `slice` holds what was measured on the way.

        Raises:
            DivergedError: Loss or gradient became NaN or Inf; `slice` keeps the steps before.
            OutOfMemoryError: The device has no room for a micro-batch of one example.
        """
        self.slice = Slice()
        self._adapters.activate(self.name)
        self._base.model.train()
        began = time.perf_counter()
        try:
            while self.step < until:
                self._train_step()
        finally:
            self.slice.seconds = time.perf_counter() - began
            self._base.model.eval()

    def _train_step(self) -> None:
        batch = [self._examples[i] for i in self._order.batch(self.step)]
        tokens = sum(example.targets for example in batch)
        # All workers halve together or none does: their next collective must be the same one.
        while (mean := self._optimizer.step(self.step, self._try(batch, tokens), self._base.reduce)) is None:
            self._halve()
        self.step += 1
        self.slice.losses.append(mean)
        self.slice.tokens.append(tokens)

    def _try(self, batch: list[Example], tokens: int) -> torch.Tensor | None:
        """`_accumulate`, or None where this worker runs out of memory."""
        try:
            return self._accumulate(batch, tokens)
        except torch.OutOfMemoryError:
            if self._base.sharded and self._base.world > 1:
                raise  # in the middle of a collective pass: the group has to start anew
            return None

    def _accumulate(self, batch: list[Example], tokens: int) -> torch.Tensor:
        """Backward passes over this worker's share; returns its part of the batch's mean loss."""
        rank, world = self._base.rank, self._base.world
        share = batch[rank::world]
        most = -(-len(batch) // world)
        loss = torch.zeros((), device=self._device)
        for start in range(0, most, self._micro):
            # Every worker makes as many passes as the others: under stage 3 each pass is a collective.
            piece = share[start : start + self._micro] or [_without_targets(batch[0])]
            tensors = {key: value.to(self._device) for key, value in collate(piece, pad_id=0).items()}
            labels = tensors.pop("labels")
            with torch.random.fork_rng(devices=[self._device] if self._device.type == "cuda" else []):
                torch.manual_seed(hash((self.params.seed, self.step, start, rank)) & (2**63 - 1))
                logits = self._base.model(**tensors, use_cache=False).logits
                part = token_loss(logits, labels)[0] / tokens
                torch.autograd.backward(part)
            self._base.after_backward()
            loss += part.detach()
        return loss

    def _halve(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        if self._micro == 1:
            raise OutOfMemoryError("out of memory with one example in a pass", hint="Lower task.max_length.")
        self._micro = (self._micro + 1) // 2

    def save(self, folder: Path) -> None:
        """Writes the adapter (PEFT format) and, while there are steps left, the moments into `folder`."""
        self._adapters.save(self.name, folder)
        if self.step < self._total:
            self._optimizer.save(folder)

    def load(self, folder: Path, step: int) -> None:
        """Takes up training after `step` steps from what `save` wrote."""
        self._adapters.load(self.name, folder)
        self._optimizer.load(folder, step)
        self.step = step

    def close(self) -> None:
        """Drops the adapter; the base is as it was."""
        self._adapters.remove(self.name)


def _without_targets(example: Example) -> Example:
    """The same tokens with nothing to learn from."""
    return Example(example.input_ids, np.zeros_like(example.loss_mask))
