"""What is wrong with a search with routing, before anything is started. Light: no torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from trainables.data.sources import LocalFiles, locate
from trainables.routing.behaviours import BEHAVIOURS
from trainables.routing.options import RoutingOptions
from trainables.trainable import Finding

if TYPE_CHECKING:
    from trainables.lora.plan.light import ReadData
    from trainables.routing.data import RoutedData

_LARGEST = 2 * 2**20
"""Bytes of training data that are looked through before the start, at most; the workers look at all."""


def check(options: RoutingOptions) -> Iterable[Finding]:
    """What the schema cannot see."""
    name = options.behaviour.name
    if name is not None and name not in BEHAVIOURS:
        yield Finding(
            "behaviour.name",
            f"there is no behaviour {name!r}{BEHAVIOURS.suggestion(name)}",
            "or label your own records: behaviour.field, with behaviour.name=null",
        )


def inspect(options: RoutingOptions, seed: int, baselines: Collection[str]) -> None:
    """Looks at the training data before a search.

    Raises:
        PlanRefusedError: See `read_lightly`.
    """
    read_lightly(options, seed)


def read_lightly(options: RoutingOptions, seed: int) -> ReadData[RoutedData] | None:
    """Makes the training data and the prompts as the workers will, where they are small and at hand.

    Raises:
        PlanRefusedError: The behaviour cannot be learned, detected or measured with them.
    """
    from trainables.lora.plan.light import read_small
    from trainables.routing.data import load_routed
    from trainables.routing.prompts import sample_prompts

    def read(tokenizer: Any, context: int | None) -> RoutedData:
        data = load_routed(options, tokenizer, seed, context)
        sample_prompts(data, tokenizer, options.behaviour, context)
        return data

    return read_small(options.model, lambda: _small(options), read, "training data")


def _small(options: RoutingOptions) -> bool:
    task, size = options.task, 0
    for key, source in (("task.train", task.train), ("task.heldout", task.heldout)):
        if source is not None:
            place = locate(source, key, task.split, task.subset)
            if not isinstance(place, LocalFiles):
                return False
            size += sum(file.path.stat().st_size for file in place.files)
    return size <= _LARGEST
