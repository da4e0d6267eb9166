"""Splits examples into a training and a held-out part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from trainables.data.examples import Example

_OVER = 10
_ENOUGH = 3 / 4
_GAP = 1


@dataclass
class Split:
    """Two parts of a task's examples.

    Attributes:
        gap: Examples that are in neither part.
    """

    train: list[Example] = field(default_factory=list)
    heldout: list[Example] = field(default_factory=list)
    gap: int = 0


def split_groups(groups: Sequence[Sequence[Example]], heldout: int, seed: int) -> Split:
    """Holds out `heldout` examples, of whole documents where they are short enough.

    Documents are taken in an order drawn by `seed`. One that would make the held-out part more than a tenth
    too large is passed over. Where less than three quarters are held out then, a document is divided: a
    block of pieces in a row is held out from its middle, with a gap of one piece on either side of it, which
    is in neither part. The rest of that document is trained on only where it is more than a tenth of all
    examples, as with a file that is one long document; else it is left out, so that no held-out document is
    also trained on.

    Documents of equal content stay on one side. The order within either part is the data's own. A part may
    come out empty.

    Args:
        groups: Examples by document.
        heldout: Examples wanted in the held-out part.
        seed: Decides which documents are held out.
    """
    by_content: dict[tuple[bytes, ...], list[int]] = {}
    for index, group in enumerate(groups):
        if group:
            by_content.setdefault(tuple(example.input_ids.tobytes() for example in group), []).append(index)
    documents = list(by_content.values())
    total = sum(len(group) for group in groups)
    chosen: dict[int, range] = {}
    passed: list[list[int]] = []
    count = 0
    for document in np.random.Generator(np.random.PCG64(seed)).permutation(len(documents)):
        if count >= heldout:
            break
        size = sum(len(groups[index]) for index in documents[document])
        if count + size > heldout + max(1, heldout // _OVER):
            passed.append(documents[document])
            continue
        chosen |= {index: range(len(groups[index])) for index in documents[document]}
        count += size
    dropped: dict[int, range] = {}
    if passed and count < _ENOUGH * heldout:
        held, out = _divide(groups, passed, heldout - count, total)
        chosen |= held
        dropped |= out
    split = Split()
    for index, group in enumerate(groups):
        held_out, left_out = chosen.get(index, range(0)), dropped.get(index, range(0))
        for place, example in enumerate(group):
            if place in held_out:
                split.heldout.append(example)
            elif place in left_out:
                split.gap += 1
            else:
                split.train.append(example)
    return split


def _divide(
    groups: Sequence[Sequence[Example]], documents: Sequence[Sequence[int]], wanted: int, total: int
) -> tuple[dict[int, range], dict[int, range]]:
    """Which pieces of one of the documents are held out, and which are left out.

    Of the document's copies one gives held-out pieces, and the others are left out where it is.
    """
    # The shortest that is long enough, or else the longest: what is left out of it is then the least.
    long_enough = [document for document in documents if len(groups[document[0]]) >= wanted]
    copies = min(long_enough, key=lambda document: len(groups[document[0]])) if long_enough else documents[0]
    if not long_enough:
        copies = max(documents, key=lambda document: len(groups[document[0]]))
    size = len(groups[copies[0]])
    wanted = min(wanted, max(1, size - 1))
    start = (size - wanted) // 2
    block = range(start, start + wanted)
    rest = (size - wanted) * len(copies)
    if rest * _OVER <= total:
        gap = range(size)
    else:
        gap = range(max(0, start - _GAP), min(size, start + wanted + _GAP))
    return {copies[0]: block}, dict.fromkeys(copies, gap)


def sample(examples: Sequence[Example], count: int, seed: int) -> list[Example]:
    """At most `count` of the examples, drawn by `seed`, in their own order."""
    if len(examples) <= count:
        return list(examples)
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(examples))[:count]
    return [examples[index] for index in np.sort(order)]
