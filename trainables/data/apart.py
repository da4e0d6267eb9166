"""Keeps apart what is trained on and what is held out, where a task names both. Light: no torch."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from trainables.data.facts import copies_line
from trainables.data.reading import ReadUnits
from trainables.errors import UserError


@dataclass(frozen=True)
class Copies:
    """Contents of the training data that are held out too.

    Attributes:
        contents: What is left out of training.
        count: How often it is there.
        first: Where the first is, in a sentence's words.
        read: Examples of the training data in which they were looked for, where these are not all.
    """

    contents: frozenset[Hashable] = frozenset()
    count: int = 0
    first: str = ""
    read: int | None = None

    @property
    def line(self) -> str:
        """A warning; empty where there are none."""
        return copies_line(self.count, self.first, self.read)


def find_copies(
    train: ReadUnits,
    trained: Sequence[Sequence[Hashable]],
    heldout: ReadUnits,
    held: Sequence[Sequence[Hashable]],
) -> Copies:
    """What of the training data is held out too.

    Args:
        train: The training data.
        trained: The contents of each of its units.
        heldout: The held-out data.
        held: The contents of each of its units.

    Raises:
        UserError: It is more than half of the training data, and these were read to their end.
    """
    places: dict[Hashable, int] = {}
    for unit, contents in enumerate(held):
        for content in contents:
            places.setdefault(content, unit)
    both = [
        (unit, content) for unit, contents in enumerate(trained) for content in contents if content in places
    ]
    if not both:
        return Copies()
    unit, content = both[0]
    first = f"{_place(train, unit)} is {_place(heldout, places[content])}"
    total = sum(map(len, trained))
    whole = train.records.whole
    if whole and len(both) * 2 > total:
        raise UserError(
            f"task.heldout: {len(both)} of {total} examples of task.train are in it too ({first}).",
            hint="Give other data, or remove task.heldout to split off a part.",
        )
    copied = frozenset(content for _, content in both)
    return Copies(copied, len(both), first, None if whole else total)


def _place(read: ReadUnits, unit: int) -> str:
    """Where a unit stands; of a plain text, which is cut into pieces, its file."""
    place = read.place(unit)
    return place.partition(", record")[0] if read.stream else place
