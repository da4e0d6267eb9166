"""Trials in training: adapters with their own data order, schedule, seed and step count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainables.data.batches import DataOrder
from trainables.data.examples import Example
from trainables.lora.length import first_of_each, own_steps, targets_of
from trainables.lora.parameters import LoraParameters
from trainables.parameters import TrainingParameters
from trainables.serving.schedule import learning_rate
from trainables.serving.slices import Slice


@dataclass(frozen=True)
class Adapter:
    """One of a trial's adapters.

    Attributes:
        name: Unique in the worker while the trial is held.
        params: Its size and its optimizer.
        folder: Where it is saved in the trial's folder; empty for that folder itself.
    """

    name: str
    params: LoraParameters
    folder: str = ""


class PackedTrial:
    """What one trial knows of itself; `trainables.lora.pack.Pack` trains it.

    A pure function of its parameters, the data and the step: order and dropout are drawn from the
    seed and the step, so that a trial which resumes from a checkpoint, or in another pack, does what it
    would have done otherwise.

    Args:
        name: Unique in the worker while the trial is held.
        params: The trial's parameters.
        adapters: All that it trains, at least one; all act on every example. The trials of a pack have as
            many as each other.
        examples: Training examples, the same on every worker.
        total: Steps of the full budget.

    Attributes:
        fresh: Whether its adapters still lack the first weights that its parameters ask for.
    """

    def __init__(
        self,
        name: str,
        params: TrainingParameters,
        adapters: Sequence[Adapter],
        examples: Sequence[Example],
        total: int,
    ) -> None:
        self.name = name
        self.params = params
        self.adapters = tuple(adapters)
        self.total = total
        self.step = 0
        self.until = 0
        self.fresh = True
        self.slice = Slice()
        self._examples = examples
        self._order = DataOrder(params.seed, len(examples), params.batch_size)

    @property
    def dropout(self) -> float:
        """Share of the adapters' inputs that is dropped; they share the mask."""
        return self.adapters[0].params.dropout

    @property
    def indices(self) -> NDArray[np.int64]:
        """Places in the training data of the examples of the next optimizer step."""
        return self._order.batch(self.step)

    def batch(self) -> list[Example]:
        """Examples of the next optimizer step."""
        return [self._examples[index] for index in self.indices]

    def routes(self) -> NDArray[np.bool_] | None:
        """Which adapters learn from which examples of the next step, shape (examples, adapters).

        Returns:
            None where all learn from all.
        """
        return None

    @property
    def rates(self) -> list[float]:
        """Learning rate of each adapter in the next optimizer step."""
        return [learning_rate(adapter.params, self.step, self.total) for adapter in self.adapters]


class LoraTrial(PackedTrial):
    """A trial of one adapter.

    Args:
        name: Of the trial and its adapter.
        params: Of both.
        examples: Training examples, of which it uses those that its parameters say.
        total: Steps of the full budget, where its parameters do not say them.

    Raises:
        WrongParameterError: It cannot be trained so.
    """

    def __init__(self, name: str, params: LoraParameters, examples: Sequence[Example], total: int) -> None:
        if params.epochs is not None:
            total = own_steps(params, targets_of(examples))
        chosen = first_of_each(examples, params.examples)
        super().__init__(name, params, [Adapter(name, params)], chosen, total)
