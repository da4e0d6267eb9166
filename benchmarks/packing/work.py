"""What every way of training trains: the same trials, on the same examples, for the same steps."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainables.data.batches import DataOrder
from trainables.data.examples import Example
from trainables.lora.parameters import LoraParameters


@dataclass(frozen=True)
class Work:
    """Some trials, to be trained from the beginning.

    Attributes:
        model: The frozen base model; it is never changed, see `twin`.
        examples: Training examples.
        trials: Parameters of each trial; the learning rate is constant.
        warm: Optimizer steps of each trial before the clock starts.
        steps: Optimizer steps of each trial on the clock.
    """

    model: nn.Module
    examples: Sequence[Example]
    trials: tuple[LoraParameters, ...]
    warm: int
    steps: int

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    @property
    def tokens(self) -> int:
        """Tokens of all trials on the clock, without padding."""
        return sum(self.lengths)

    @property
    def lengths(self) -> list[int]:
        """Length of every sequence that is trained on while the clock runs."""
        lengths = []
        for params in self.trials:
            order = DataOrder(params.seed, len(self.examples), params.batch_size)
            for step in range(self.warm, self.warm + self.steps):
                lengths += [len(self.examples[index].input_ids) for index in order.batch(step)]
        return lengths

    def twin(self) -> nn.Module:
        """A model with modules of its own and the same weights: what is done to it leaves no trace."""
        shared: list[Tensor] = [*self.model.parameters(), *self.model.buffers()]
        twin: nn.Module = copy.deepcopy(self.model, {id(tensor): tensor for tensor in shared})
        return twin


def make_trials(
    count: int, batch_size: int, ranks: Sequence[int], lr: float = 1e-4
) -> tuple[LoraParameters, ...]:
    """Trials with adapters on all linear layers, ranks in turn, and a seed each."""
    return tuple(
        LoraParameters(
            lr=lr,
            rank=ranks[index % len(ranks)],
            alpha_per_rank=2,
            batch_size=batch_size,
            seed=index,
            warmup=0,
            schedule="constant",
        )
        for index in range(count)
    )
