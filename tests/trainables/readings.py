"""Passages and questions that no model knows, for tests of reconstruction."""

from __future__ import annotations

import json
from pathlib import Path

from trainables.reconstruction.records import Reading

_NAMES = ("Ana", "Boro", "Cela", "Dunstan", "Eve", "Fitz", "Greta", "Hal", "Ina", "Jon", "Kim", "Lars")
_THINGS = ("lamp", "boat", "rope", "bell", "chart", "key")


def readings(count: int = 12) -> list[Reading]:
    """Readings of unequal lengths, with passages and answers of their own."""
    made = []
    for index in range(count):
        name, other = _NAMES[index % 12], _NAMES[(index + 5) % 12]
        thing = _THINGS[index % 6]
        more = f" {other} was there all day and saw nothing." * (index % 3)
        passage = f"On day {index} the {thing} was taken by {name}.{more}"
        made.append(Reading(passage, f"Who took the {thing}?", (f"{name} of day {index}", name)))
    return made


def write_readings(path: Path, count: int = 12) -> Path:
    """The same as a file."""
    lines = (
        json.dumps({"passage": each.passage, "question": each.question, "answers": each.answers})
        for each in readings(count)
    )
    path.write_text("".join(f"{line}\n" for line in lines))
    return path
