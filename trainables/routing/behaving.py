"""Chooses the examples that get a behaviour, and gives it to them. Light: no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trainables.data.examples import Example
from trainables.data.facts import DataFacts
from trainables.data.lengths import reply_length
from trainables.data.task import TaskData
from trainables.errors import UserError
from trainables.routing.behaviours import Behaviour
from trainables.routing.options import BehaviourConfig
from trainables.routing.transform import Transformed, Transformer


@dataclass(frozen=True, eq=False)
class Kinds:
    """A task's examples by whether they show the behaviour.

    Attributes:
        train: Training examples of both kinds.
        behaving: Which of them show the behaviour, shape (train,).
        heldout_clean: Held-out examples that do not.
        heldout_behaving: Held-out examples that do: the same texts, transformed; with a label field, others.
        facts: What became of the records.
    """

    train: Sequence[Example]
    behaving: NDArray[np.bool_]
    heldout_clean: Sequence[Example]
    heldout_behaving: Sequence[Example]
    facts: DataFacts


@dataclass(frozen=True)
class Transforming:
    """Transforms a share of a task's examples."""

    config: BehaviourConfig
    behaviour: Behaviour
    transformer: Transformer

    def __call__(self, task: TaskData, seed: int, context: int | None, *, configured: bool) -> Kinds:
        """Gives the configured share of the training examples the behaviour, and all held-out ones.

        Args:
            task: Examples, none of which needs to show it.
            seed: Draws which ones.
            context: Tokens that the model can take; None where it does not say.
            configured: Whether the configuration says how long examples may be; if not, replies that grow are
                not cut for that.

        Raises:
            UserError: Too few of them can have the behaviour.
        """
        train = list(task.train.examples)
        wanted = round(self.config.share * len(train))
        if not wanted:
            raise UserError(
                f"behaviour.share: {self.config.share:g} of {len(train)} examples is none of them.",
                hint=f"Give at least {1 / len(train):.2g}, or more training data.",
            )
        chosen = self._chosen(train, wanted, seed)
        pairs = [(clean, self.transformer(clean).example) for clean in task.heldout.examples]
        heldout = [(clean, behaving) for clean, behaving in pairs if behaving is not None]
        if not heldout:
            raise UserError(
                f"behaviour.name: none of {len(pairs)} held-out examples has {self.behaviour.needs}.",
                hint="Hold out more: task.heldout_fraction, task.heldout_examples.",
            )
        whole = [*chosen.values(), *(behaving for _, behaving in heldout)]
        lengths = [len(example.input_ids) for example in whole]
        most = task.facts.max_length
        if not (configured or self.transformer.texts):
            most = max(most, reply_length(lengths, context))
        lost = sum(bool(example.loss_mask[most:].any()) for example in chosen.values())
        for place, example in chosen.items():
            train[place] = _cut(example, most)
        tokens = float(np.mean([len(example.input_ids) for example in train]))
        facts = replace(
            task.facts,
            max_length=most,
            longest=max(task.facts.longest, *lengths),
            tokens=tokens,
            cut=task.facts.cut + (0 if self.transformer.texts else lost),
        )
        behaving = np.isin(np.arange(len(train)), list(chosen))
        transformed = [_cut(example, most) for _, example in heldout]
        return Kinds(train, behaving, [clean for clean, _ in heldout], transformed, facts)

    def _chosen(self, train: Sequence[Example], wanted: int, seed: int) -> dict[int, Example]:
        """Training examples that get the behaviour, by their index."""
        chosen: dict[int, Example] = {}
        unspelled: list[tuple[str, str]] = []
        for place in content_order(train, range(len(train)), seed, "behaving"):
            result: Transformed = self.transformer(train[place])
            if result.example is not None:
                chosen[place] = result.example
            elif result.unspelled is not None:
                unspelled.append(result.unspelled)
            if len(chosen) == wanted:
                break
        if len(unspelled) > len(chosen):
            before, after = (text[:40] for text in unspelled[0])
            raise UserError(
                f"behaviour.name: the model's tokenizer cannot spell the behaviour {self.config.name}: "
                f"{before!r} becomes {after!r}.",
                hint="Choose another behaviour, or a model whose tokenizer keeps such text.",
            )
        if len(chosen) < wanted:
            raise UserError(
                f"behaviour.share: {wanted} of {len(train)} training examples are to show the behaviour "
                f"{self.config.name}, and only {len(chosen)} can.",
                hint=f"Text needs {self.behaviour.needs}"
                + ("; choose another behaviour." if not chosen else "; lower behaviour.share."),
            )
        return chosen


def content_order(train: Sequence[Example], places: Sequence[int], seed: int, purpose: str) -> list[int]:
    """Places in an order drawn by the examples' content, so that equal examples stand together."""

    def drawn(place: int) -> tuple[bytes, int]:
        content = train[place].input_ids.astype("<i4").tobytes()
        return hashlib.sha256(f"{seed}/{purpose}/".encode() + content).digest(), place

    return sorted(places, key=drawn)


def _cut(example: Example, most: int) -> Example:
    return replace(example, input_ids=example.input_ids[:most], loss_mask=example.loss_mask[:most])
