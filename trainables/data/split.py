"""Splits examples into a training and a held-out part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainables.data.examples import Example


def split_groups(
    groups: Sequence[Sequence[Example]], heldout: int, seed: int
) -> tuple[list[Example], list[Example]]:
    """Moves whole documents to the held-out part until it has `heldout` examples.

    Documents of equal content stay on one side, so that no held-out document is also trained on. The
    order within either part is the data's own. A part may come out empty.

    Args:
        groups: Examples by document.
        heldout: Examples wanted in the held-out part; it may get a few more, the rest of a document.
        seed: Decides which documents are held out.

    Returns:
        The training examples and the held-out examples.
    """
    by_content: dict[tuple[bytes, ...], list[int]] = {}
    for index, group in enumerate(groups):
        by_content.setdefault(tuple(example.input_ids.tobytes() for example in group), []).append(index)
    documents = list(by_content.values())
    chosen: set[int] = set()
    count = 0
    for document in np.random.Generator(np.random.PCG64(seed)).permutation(len(documents)):
        if count >= heldout:
            break
        chosen.update(documents[document])
        count += sum(len(groups[index]) for index in documents[document])
    train = [example for index, group in enumerate(groups) if index not in chosen for example in group]
    held = [example for index, group in enumerate(groups) if index in chosen for example in group]
    return train, held


def sample(examples: Sequence[Example], count: int, seed: int) -> list[Example]:
    """At most `count` of the examples, drawn by `seed`, in their own order."""
    if len(examples) <= count:
        return list(examples)
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(examples))[:count]
    return [examples[index] for index in np.sort(order)]
