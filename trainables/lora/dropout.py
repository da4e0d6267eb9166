"""Dropout whose mask depends on the trial, the step, the example and the position, and on nothing else."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

_WORD = 0xFFFFFFFF


def stream_key(*parts: int | str) -> int:
    """A 32-bit key from anything that names a stream, alike on every machine."""
    text = "/".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "little")


def keep_scale(
    keys: Tensor, rates: Tensor, length: int, features: int, positions: Tensor | None = None
) -> Tensor:
    """What to multiply an input with: 0 where it is dropped, else 1 / (1 - rate).

    Entry (row, position, feature) is drawn from the row's key and its own place, so that it does
    not move with padding, with the other rows of a pass or with how a batch is divided. The words come from a
    32-bit integer hash (lowbias32 of C. Wellons' hash prospector), computed in 64 bits.

    Args:
        keys: 32-bit key of every row, int64, shape (rows,), or with `positions` of every token, shape
            (rows, length).
        rates: Share that is dropped in every row, in [0, 1), fp32, shape (rows,).
        length: Positions.
        features: Features of a position.
        positions: Position of every token in its own example, where rows hold several; shape (rows, length).

    Returns:
        fp32, shape (rows, length, features).
    """
    places = torch.arange((length if positions is None else 1) * features, device=keys.device)
    if positions is not None:
        places = (positions[..., None] * features + places).flatten(1)
        keys = keys.repeat_interleave(features, dim=1)
    else:
        keys = keys[:, None]
    words = (keys + places * 0x9E3779B1) & _WORD
    words ^= words >> 16
    words = (words * 0x7FEB352D) & _WORD
    words ^= words >> 15
    words = (words * 0x846CA68B) & _WORD
    words ^= words >> 16
    kept = words >= (rates.double() * 2.0**32).long()[:, None]
    scale = kept.float() / (1.0 - rates)[:, None]
    return scale.view(len(keys), length, features)
