"""A batch's rows with cached keys and values."""

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

    @property
    def selectable(self) -> bool:
        """Whether rows can leave: not if layers keep a state, which would not be cut."""
        return all(
            hasattr(layer, "batch_select_indices") and not hasattr(layer, "recurrent_states")
            for layer in self.cache.layers
        )

    def sees_back(self, length: int) -> bool:
        """Whether the last of these many tokens attends to all: no recurrence and no shorter window."""
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
        self.mask = self.mask[rows]
        if not self.joinable:
            self.cache.batch_select_indices(rows)
            return
        unused = self._trim()
        for layer in self._layers:
            # Several times as fast as indexing by `rows`.
            layer.keys = layer.keys[:, :, unused:].index_select(0, rows)
            layer.values = layer.values[:, :, unused:].index_select(0, rows)

    def take_back(self, rows: Tensor, tokens: Tensor) -> None:
        """Keeps these rows in this order, and drops so many last tokens of each; they must be joinable.

        What is left of a row moves to the right, so that nothing stands between it and what comes next:
        some kinds of attention tell distance by column.

        Args:
            rows: Shape (kept,), int64.
            tokens: Shape (kept,), int64; no more than the row has.
        """
        columns = torch.arange(self.mask.shape[1], device=rows.device) - tokens[:, None]
        self.mask = self.mask[rows].gather(1, columns.clamp(min=0)) * (columns >= 0)
        columns = columns[:, self._trim() :].clamp(min=0)
        for layer in self._layers:
            layer.keys = _gathered(layer.keys, rows, columns)
            layer.values = _gathered(layer.values, rows, columns)

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
        for rows in (self, other):
            rows._trim()
        width = max(rows.mask.shape[1] for rows in (self, other))
        for layer, added in zip(self._layers, other._layers, strict=True):
            keys = [_widen(layer.keys, width), _widen(added.keys, width)]
            values = [_widen(layer.values, width), _widen(added.values, width)]
            layer.keys, layer.values = (torch.cat(each).index_select(0, order) for each in (keys, values))
            added.keys = added.values = None
        masks = [functional.pad(rows.mask, (width - rows.mask.shape[1], 0)) for rows in (self, other)]
        self.mask = torch.cat(masks)[order]

    @property
    def _layers(self) -> list[Any]:
        """Layers with keys and values of their own."""
        return [layer for layer in self.cache.layers if layer.get_seq_length() > 0]

    def _trim(self) -> int:
        """Drops the first columns of the mask that no row uses, and returns how many."""
        unused = int(self.mask.any(0).long().argmax())
        self.mask = self.mask[:, unused:]
        return unused


def _gathered(states: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Of states of shape (rows, heads, columns, size) these rows, and of each of them its columns."""
    heads, width, size = states.shape[1:]
    head = rows[:, None] * heads + torch.arange(heads, device=rows.device)
    places = head[:, :, None] * width + columns[:, None]
    return states.reshape(-1, size).index_select(0, places.flatten()).view(*places.shape, size)


def _widen(states: Tensor, width: int) -> Tensor:
    """Pads states, shape (rows, heads, columns, size), with zeros on the left to this width, or cuts them."""
    return functional.pad(states, (0, 0, width - states.shape[2], 0))
