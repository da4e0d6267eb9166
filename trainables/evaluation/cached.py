"""Rows of a batch whose keys and values are cached."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer


class CachedRows:
    """The key-value cache of a batch of unequal prefixes, and which of its columns each row has.

    Args:
        cache: A `transformers` cache.
        mask: Shape (rows, columns), int64: 1 where the row has a token, 0 where it is padded.
    """

    def __init__(self, cache: Any, mask: Tensor) -> None:
        self.cache = cache
        self.mask = mask

    @property
    def joinable(self) -> bool:
        """Whether other rows can join: not where layers keep more than keys and values of every token."""
        return all(type(layer) is DynamicLayer for layer in self.cache.layers)

    def sees_back(self, length: int) -> bool:
        """Whether the last of so many tokens attends to all of them: no recurrence, and no shorter window."""
        return all(
            type(layer) is DynamicLayer
            or (type(layer) is DynamicSlidingWindowLayer and length <= layer.sliding_window)
            for layer in self.cache.layers
        )

    def repeat(self, times: int) -> None:
        """Puts `times` of each row in its place."""
        self.cache.batch_repeat_interleave(times)
        self.mask = self.mask.repeat_interleave(times, dim=0)

    def keep(self, rows: Tensor) -> None:
        """Keeps these rows in this order; `rows` may name one twice."""
        self.cache.batch_select_indices(rows)
        self.mask = self.mask[rows]

    def copy(self) -> CachedRows:
        """The same rows; what is done to the copy leaves these as they are, and no tensor is copied."""
        cache = copy.copy(self.cache)
        cache.layers = [copy.copy(layer) for layer in self.cache.layers]
        return CachedRows(cache, self.mask)

    def join(self, other: CachedRows, order: Tensor) -> None:
        """Takes in the rows of `other`, which must not be used any more.

        Args:
            other: Rows of the same model; both must be joinable.
            order: The order of all rows afterwards, as indices into these and then the other rows.
        """
        # The longest rows may have left, and with them the need for the first columns.
        unused = [int(rows.mask.any(0).long().argmax()) for rows in (self, other)]
        width = max(rows.mask.shape[1] - first for rows, first in zip((self, other), unused, strict=True))
        mine, others = (width - rows.mask.shape[1] for rows in (self, other))
        for layer, added in zip(self.cache.layers, other.cache.layers, strict=True):
            layer.keys = torch.cat([_widen(layer.keys, mine), _widen(added.keys, others)])[order]
            layer.values = torch.cat([_widen(layer.values, mine), _widen(added.values, others)])[order]
            added.keys = added.values = None
        masks = [functional.pad(rows.mask, (by, 0)) for rows, by in ((self, mine), (other, others))]
        self.mask = torch.cat(masks)[order]


def _widen(states: Tensor, columns: int) -> Tensor:
    """Adds columns of zeros on the left of shape (rows, heads, columns, size), or takes some off."""
    return functional.pad(states, (0, 0, columns, 0))
