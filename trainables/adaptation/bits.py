"""Bits per byte of text, which models with different tokenizers can be compared by."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.adaptation.streams import TokenStream
from trainables.data.batches import collate, token_losses
from trainables.data.examples import Example

Logits: TypeAlias = Callable[[Tensor], Tensor]
"""From token ids, shape (rows, length), to logits, shape (rows, length, vocabulary)."""

_Piece: TypeAlias = tuple[int, Example]

_LOGITS = 2**24
"""Of a pass, at most: 64 MiB in fp32."""


def windows(stream: TokenStream, before: Sequence[int], most: int) -> list[list[Example]]:
    """Each document in pieces of at most `most` tokens, all of whose text is to be predicted.

    Args:
        stream: The documents.
        before: Special tokens that each piece begins with, at least one, so that something predicts the first
            token of the text.
        most: More than `before` has.
    """
    start, room = np.asarray(before, dtype=np.int32), most - len(before)
    return [
        [_example(start, ids[first : first + room]) for first in range(0, len(ids), room)]
        for ids in stream.documents()
    ]


def document_bits(
    logits: Logits, documents: Sequence[Sequence[Example]], vocabulary: int, device: torch.device
) -> list[float]:
    """Bits that each document takes: the sum of -log2 of its tokens' probabilities.

    Args:
        logits: The model, in evaluation mode.
        documents: From `windows`.
        vocabulary: Tokens that the model gives logits of.
        device: Of the model.
    """
    pieces = [(number, piece) for number, document in enumerate(documents) for piece in document]
    pieces.sort(key=lambda pair: len(pair[1].input_ids))
    bits = [0.0] * len(documents)
    with torch.no_grad():
        for part in _passes(pieces, vocabulary):
            batch = collate([piece for _, piece in part], pad_id=0)
            losses = token_losses(logits(batch["input_ids"].to(device)), batch["labels"].to(device))
            for (number, _), loss in zip(part, losses.double().sum(-1).tolist(), strict=True):
                bits[number] += loss / math.log(2)
    return bits


def bits_per_byte(bits: Sequence[float], texts: Sequence[str]) -> float:
    """Bits over the bytes of UTF-8 of the same documents.

    The bytes are those of the text itself, whatever a tokenizer makes of it.
    """
    return sum(bits) / sum(len(text.encode()) for text in texts)


def _example(start: NDArray[np.int32], ids: NDArray[np.int32]) -> Example:
    whole = np.concatenate([start, ids])
    return Example(whole, np.arange(len(whole)) >= len(start))


def _passes(pieces: Sequence[_Piece], vocabulary: int) -> Iterator[Sequence[_Piece]]:
    """Pieces by increasing length, as many at a time as there is room for their logits."""
    first = 0
    while first < len(pieces):
        end = first + 1
        while end < len(pieces) and (end + 1 - first) * len(pieces[end][1].input_ids) * vocabulary <= _LOGITS:
            end += 1
        yield pieces[first:end]
        first = end
