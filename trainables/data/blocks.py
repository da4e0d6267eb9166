"""Tokens of a long text, made block by block: those of the whole take time and memory beyond measure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainables.data.encode import encode_batch

BLOCK = 1 << 15
"""Characters of a block, at most."""

_AT_ONCE = 16
_AROUND = 256
_TRIED = 16
_BREAKS = ("\n\n", "\n", " ")
_LEADS = ("", "\n")
"""What a block is tokenised after: a line break where tokenizers would mark the beginning of a text."""


def block_ids(tokenizer: Any, text: str, size: int = BLOCK) -> NDArray[np.int32]:
    """Tokens of a text without special tokens, as the tokenizer makes them of the whole.

    Blocks end where that changes no token around; where there is no such place, at another.

    Args:
        tokenizer: The model's.
        text: May be of any length.
        size: Characters of a block, at most.
    """
    blocks, start, lead = [], 0, ""
    while start < len(text):
        end, after = _seam(tokenizer, text, start, size)
        blocks.append((lead, text[start:end]))
        start, lead = end, after
    skipped = dict(zip(_LEADS, map(len, encode_batch(tokenizer, _LEADS)), strict=True))
    parts = [np.zeros(0, dtype=np.int32)]
    for first in range(0, len(blocks), _AT_ONCE):
        batch = blocks[first : first + _AT_ONCE]
        encoded = encode_batch(tokenizer, [lead + block for lead, block in batch])
        parts += [
            np.asarray(ids[skipped[lead] :], dtype=np.int32)
            for (lead, _), ids in zip(batch, encoded, strict=True)
        ]
    return np.concatenate(parts)


def _seam(tokenizer: Any, text: str, start: int, size: int) -> tuple[int, str]:
    """Where a block ends, and what the next is tokenised after."""
    end = start + size
    if end >= len(text):
        return len(text), ""
    cuts = [*_cuts(text, start + size // 2, end)]
    exact = ((cut, lead) for cut in cuts for lead in _LEADS if _is_exact(tokenizer, text, cut, lead))
    return next(exact, (cuts[0] if cuts else end, ""))


def _cuts(text: str, start: int, end: int) -> Iterator[int]:
    """Places where a text may be divided, the best ones first."""
    for mark in _BREAKS:
        place = end
        for _ in range(_TRIED):
            place = text.rfind(mark, start, place)
            if place < 0:
                break
            yield from range(place + len(mark), place - 1, -1)


def _is_exact(tokenizer: Any, text: str, cut: int, lead: str) -> bool:
    """Whether a text has the same tokens around a cut, when what follows it is tokenised after `lead`."""
    before, after = text[max(0, cut - _AROUND) : cut], text[cut : cut + _AROUND]
    whole, left, led, right = encode_batch(tokenizer, [before + after, before, lead, lead + after])
    return right[: len(led)] == led and left + right[len(led) :] == whole
