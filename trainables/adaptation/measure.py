"""What is measured of a model with another vocabulary, item by item."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trainables.adaptation.adapted import Adapted
from trainables.adaptation.bits import Logits, document_bits
from trainables.adaptation.metrics import BITS, BLEU1, TOKENS, TOP1
from trainables.adaptation.prepared import Tokenised
from trainables.messages import Moment
from trainables.serving.single import Items

Shard = tuple[int, int]
"""Rank of a worker, and number of workers."""


def text_items(
    logits: Logits, text: Tokenised, documents: Sequence[str], rows: int, shard: Shard, device: torch.device
) -> dict[str, Items]:
    """Bits and tokens of a worker's held-out documents, over their bytes.

    Args:
        logits: The model.
        text: The corpus in its tokens.
        documents: The held-out documents themselves.
        rows: Tokens that the model gives logits of.
        shard: Chooses the documents.
        device: Of the model.
    """
    rank, world = shard
    indices = range(rank, len(documents), world)
    mine = [text.heldout[index] for index in indices]
    sizes = [len(documents[index].encode()) for index in indices]
    tokens = [float(sum(piece.targets for piece in document)) for document in mine]
    bits = document_bits(logits, mine, rows, device)
    return {
        BITS: list(zip(indices, bits, sizes, strict=True)),
        TOKENS: list(zip(indices, tokens, sizes, strict=True)),
    }


def single_items(adapted: Adapted | None, shard: Shard, moment: Moment) -> dict[str, Items]:
    """What is no mean over documents: how tokens began, and what each stage has read.

    Args:
        adapted: None is the base with its own tokenizer.
        shard: The first worker gives what there is one of.
        moment: Baselines have no stages.
    """
    values = {"coverage_same": 1.0, "coverage_aligned": 0.0, "coverage_fallback": 0.0}
    values |= {f"{name}_weighted": value for name, value in values.items()} | {BLEU1: 1.0}
    right, n = 1, 1
    if adapted is not None:
        values, (right, n) = dict(adapted.facts), adapted.aligned.hits
        if moment != "base":
            values |= adapted.stages.metrics
    rank, world = shard
    hits = [(index, float(index < right), 1) for index in range(rank, n, world)]
    single: dict[str, Items] = {name: [(0, value, 1)] if not rank else [] for name, value in values.items()}
    return {TOP1: hits} | single
