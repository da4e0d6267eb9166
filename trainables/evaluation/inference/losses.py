"""Loss on held-out text of the task, and on general text beside the base model's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainables.data.examples import Example
from trainables.data.general import GeneralText
from trainables.data.tokenise import target_bytes
from trainables.evaluation.inference.passes import Passes, Shard, share
from trainables.evaluation.outcomes import Outcomes, Sums


class HeldoutLoss:
    """Loss on held-out examples of the task."""

    name = "heldout"

    def __init__(self, passes: Passes, examples: Sequence[Example], tokenizer: Any) -> None:
        self._passes = passes
        self._examples = examples
        self._sizes = [target_bytes(tokenizer, example) for example in examples]

    def run(self, outcomes: Sequence[Outcomes], shard: Shard) -> None:
        """See `Part`."""
        indices = share(shard, len(self._examples))
        losses = self._passes.losses([self._examples[index] for index in indices], len(outcomes))
        for each, values in zip(outcomes, losses, strict=True):
            tokens = [self._examples[index].targets for index in indices]
            each.heldout = Sums([*indices], values, tokens, [self._sizes[index] for index in indices])


class GeneralLoss:
    """Loss on general text; see `Comparison`."""

    name = "general"

    def __init__(self, passes: Passes, text: GeneralText) -> None:
        self._passes = passes
        self._text = text
        self._base: dict[int, float] = {}

    def take_base(self, shard: Shard) -> None:
        """See `Comparison`."""
        indices = self._share(shard)
        (losses,) = self._losses(indices, 1)
        self._base = dict(zip(indices, losses, strict=True))

    def run(self, outcomes: Sequence[Outcomes], shard: Shard) -> None:
        """See `Part`."""
        indices = self._share(shard)
        for each, values in zip(outcomes, self._losses(indices, len(outcomes)), strict=True):
            each.general = Sums(
                [*indices],
                values,
                [self._text.examples[index].targets for index in indices],
                [self._text.sizes[index] for index in indices],
                [self._base[index] for index in indices] if self._base else [],
            )

    def _share(self, shard: Shard) -> range:
        return share(shard, len(self._text.examples))

    def _losses(self, indices: range, copies: int) -> list[list[float]]:
        return self._passes.losses([self._text.examples[index] for index in indices], copies)
