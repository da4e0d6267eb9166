"""The order in which examples are trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class DataOrder:
    """Shuffled batches as a pure function of the step, so that training resumes at any step.

    Every epoch visits each example once, in an order of its own; a batch may run across the end of an
    epoch. The order is the argsort of 64-bit words that PCG64 draws from (seed, epoch): numpy
    guarantees that stream across versions, unlike those of its distributions.

    Args:
        seed: The trial's seed.
        examples: Number of examples, at least 1.
        batch_size: Examples per optimizer step, at least 1; it may exceed `examples`.
    """

    def __init__(self, seed: int, examples: int, batch_size: int) -> None:
        if examples < 1 or batch_size < 1:
            raise ValueError(f"examples and batch_size must be 1 or more, got {examples} and {batch_size}")
        self.seed = seed
        self.examples = examples
        self.batch_size = batch_size
        self._kept: tuple[int, NDArray[np.int64]] | None = None

    def batch(self, step: int) -> NDArray[np.int64]:
        """Indices of the examples of optimizer step `step` (from 0), shape (batch_size,)."""
        first = step * self.batch_size
        places = np.arange(first, first + self.batch_size)
        epochs, offsets = np.divmod(places, self.examples)
        parts = [self._epoch(int(epoch))[offsets[epochs == epoch]] for epoch in np.unique(epochs)]
        return np.concatenate(parts)

    def _epoch(self, epoch: int) -> NDArray[np.int64]:
        if self._kept is None or self._kept[0] != epoch:
            words = np.random.PCG64([self.seed, epoch]).random_raw(self.examples)
            self._kept = (epoch, np.argsort(words, kind="stable"))
        return self._kept[1]
