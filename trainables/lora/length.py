"""How long a trial is trained, and on which examples, where its parameters say so. Light: no torch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from trainables.data.examples import Example
from trainables.errors import WrongParameterError
from trainables.lora.parameters import LoraParameters
from trainables.serving.schedule import warmup_steps


def targets_of(examples: Iterable[Example]) -> Mapping[str, int]:
    """Number of examples of each target; of a task without targets all belong to one that has no name."""
    return Counter(example.target for example in examples)


def first_of_each(examples: Sequence[Example], most: int | None) -> Sequence[Example]:
    """The first `most` examples of each target, in their order: smaller choices are parts of larger ones.

    Args:
        examples: Training examples.
        most: Of each target; None takes all.

    Raises:
        WrongParameterError: A target has fewer.
    """
    if most is None:
        return examples
    _refuse_more(most, targets_of(examples))
    taken: Counter[str] = Counter()
    chosen = []
    for example in examples:
        if taken[example.target] < most:
            taken[example.target] += 1
            chosen.append(example)
    return chosen


def own_steps(params: LoraParameters, targets: Mapping[str, int]) -> int:
    """Optimizer steps of a trial that says its epochs: ceil(examples used * epochs / batch size).

    Args:
        params: The trial's parameters.
        targets: Training examples of each target.

    Raises:
        WrongParameterError: There are no epochs or not as many examples, or the warm-up is no shorter than
            the training, so that the learning rate that is searched would never be trained with.
    """
    if params.epochs is None:
        raise WrongParameterError(
            "epochs",
            "a trial without epochs has no number of steps",
            "Give epochs without a condition, or budget.steps=N.",
        )
    if params.examples is not None:
        _refuse_more(params.examples, targets)
    used = sum(targets.values()) if params.examples is None else params.examples * len(targets)
    steps = math.ceil(used * params.epochs / params.batch_size)
    if params.warmup >= 1 and warmup_steps(params, steps) >= steps:
        raise WrongParameterError(
            "warmup",
            f"a warm-up of {params.warmup:g} steps is no shorter than the training of {steps} "
            f"({used} examples, {params.epochs:g} epochs, {params.batch_size} a step)",
            "Give the warm-up as a share of the training, below 1; or raise the lowest epochs or examples.",
        )
    return steps


def _refuse_more(most: int, targets: Mapping[str, int]) -> None:
    name, least = min(targets.items(), key=lambda pair: pair[1])
    if most > least:
        of = f" of target {name!r}" if name else ""
        raise WrongParameterError(
            "examples",
            f"a trial is to use {most:,} examples, and there are {least:,} to train on{of}",
            f"Use {least:,} at most, or give more in task.train.",
        )
