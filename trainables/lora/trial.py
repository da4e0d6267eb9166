"""One trial in training: an adapter with its own data order, schedule, seed and step count."""

from __future__ import annotations

from collections.abc import Sequence

from trainables.data.batches import DataOrder
from trainables.data.examples import Example
from trainables.lora.parameters import LoraParameters
from trainables.serving.schedule import learning_rate
from trainables.serving.slices import Slice


class LoraTrial:
    """What one trial knows of itself; `Pack` trains it.

    A pure function of its parameters, the data and the step: order and dropout are drawn from the
    seed and the step, so that a trial which resumes from a checkpoint, or in another pack, does what it
    would have done otherwise.

    Args:
        name: Name of its adapter, unique in the worker while the trial is held.
        params: The trial's parameters.
        examples: The training examples that it uses, the same on every worker.
        total: Steps of its full budget.
    """

    def __init__(self, name: str, params: LoraParameters, examples: Sequence[Example], total: int) -> None:
        self.name = name
        self.params = params
        self.total = total
        self.step = 0
        self.until = 0
        self.slice = Slice()
        self._examples = examples
        self._order = DataOrder(params.seed, len(examples), params.batch_size)

    def batch(self) -> list[Example]:
        """Examples of the next optimizer step."""
        return [self._examples[index] for index in self._order.batch(self.step)]

    @property
    def rate(self) -> float:
        """Learning rate of the next optimizer step."""
        return learning_rate(self.params, self.step, self.total)
