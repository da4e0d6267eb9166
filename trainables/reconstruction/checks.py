"""What is wrong with a search of reconstruction, before anything is started. Light: no torch."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from trainables.data.sources import local_path
from trainables.errors import UserError
from trainables.reconstruction.data import ReadingData, load_readings
from trainables.reconstruction.options import ReconstructionOptions
from trainables.reconstruction.records import read_readings
from trainables.trainable import Finding

if TYPE_CHECKING:
    from trainables.lora.plan.light import ReadData

SEEN = "questions"
"""Where what is wrong with the data was seen."""

_LARGEST = 4 * 2**20
"""Bytes of data that are looked through before the start, at most; the workers look at all."""


def check(options: ReconstructionOptions) -> Iterable[Finding]:
    """Files that are not there, and records that are none."""
    task = options.task
    for key, source in (("task.train", task.train), ("task.heldout", task.heldout)):
        if source is None:
            continue
        try:
            if _size(source, key) <= _LARGEST:
                read_readings(source, key, task.fields)
        except UserError as error:
            yield Finding(key, error.message.removeprefix(f"{key}: ").rstrip("."), error.hint)
    if task.heldout is not None and task.heldout == task.train:
        yield Finding("task.heldout", "is the same as task.train", "leave it out to split off a part")


def inspect(options: ReconstructionOptions, seed: int, baselines: Collection[str]) -> None:
    """Looks at the data before a search.

    Raises:
        PlanRefusedError: See `read_lightly`.
    """
    read_lightly(options, seed)


def read_lightly(options: ReconstructionOptions, seed: int) -> ReadData[ReadingData] | None:
    """Reads and tokenises the questions as the workers will, where they are few and the model at hand.

    Raises:
        PlanRefusedError: They cannot be trained or measured on.
    """
    from trainables.lora.plan.light import read_small

    task = options.task

    def small() -> bool:
        given = (("task.train", task.train), ("task.heldout", task.heldout))
        return sum(_size(source, key) for key, source in given if source is not None) <= _LARGEST

    return read_small(
        options.model, small, lambda tokenizer, context: load_readings(task, tokenizer, seed, context), SEEN
    )


def _size(source: str, key: str) -> int:
    return local_path(source, key).stat().st_size
