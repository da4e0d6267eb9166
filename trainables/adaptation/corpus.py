"""The text that a model is adapted to, before any tokenizer: split by documents, so that all see the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from trainables.data.reading import ReadUnits, read_units
from trainables.data.units import Document
from trainables.errors import UserError
from trainables.settings import TaskConfig

LEAST_DOCUMENTS = 10
"""Of fewer, neither is anything known about how tokens occur, nor can a part be held out."""


@dataclass(frozen=True)
class Corpus:
    """Documents; none is in both parts.

    Attributes:
        train: Trained on, in the order of their source.
        heldout: Measured on.
    """

    train: tuple[str, ...]
    heldout: tuple[str, ...]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of both parts."""
        return f"{digest(self.train)} {digest(self.heldout)}"


def digest(texts: Sequence[str]) -> str:
    """SHA-256 of texts and where each ends."""
    total = hashlib.sha256()
    for text in texts:
        data = text.encode()
        total.update(f"{len(data)}\0".encode() + data)
    return total.hexdigest()


def read_corpus(task: TaskConfig, seed: int) -> Corpus:
    """Reads `task.train`, and holds out a part of its documents or reads `task.heldout`.

    Args:
        task: Settings; its records must be texts.
        seed: The search's seed, of the documents that are held out.

    Raises:
        UserError: A file cannot be read, has no texts, or there are too few documents.
    """
    train = _texts(read_units(task.train, "task.train", task), "task.train")
    if len(train) < LEAST_DOCUMENTS:
        raise UserError(
            f"task.train: {task.train!r} has {len(train)} different documents; at least {LEAST_DOCUMENTS} "
            "are needed to align tokens and to hold some out.",
            hint="Give more text; in a plain text, blank lines separate documents.",
        )
    order = np.random.PCG64(seed).random_raw(len(train)).argsort(kind="stable")
    if task.heldout is None:
        count = max(1, min(task.heldout_examples, round(task.heldout_fraction * len(train))))
        chosen = {int(index) for index in order[:count]}
        heldout = [text for index, text in enumerate(train) if index in chosen]
    else:
        heldout = _texts(read_units(task.heldout, "task.heldout", task), "task.heldout")
        heldout = heldout[: task.heldout_examples]
    known = {*heldout}
    return Corpus(tuple(text for text in train if text not in known), tuple(heldout))


def _texts(read: ReadUnits, key: str) -> list[str]:
    """The different documents that are not blank.

    Raises:
        UserError: The records are not plain text.
    """
    if not all(isinstance(unit, Document) for unit in read.units):
        raise UserError(
            f"{key}: records of the form {read.format.name!r} are not plain text.",
            hint="Adaptation trains on text: give plain text, or records with a field for task.text_field.",
        )
    texts = [unit.text for unit in read.units if isinstance(unit, Document)]
    return list(dict.fromkeys(text for text in texts if text.strip()))
