"""Storage of all adapters of a worker: one row per trial, so that a pack takes few, large operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

EXTRA = 4
"""Columns of the gradients that hold no gradient: what else the workers sum in the same call."""

_EXTRAS = (0, EXTRA, 0, 0)


@dataclass(frozen=True)
class Site:
    """Where a linear layer's A and B lie in a row, and behind them its magnitudes.

    Attributes:
        features: (in, out) of the layer.
        rank: Largest rank of any trial here; the others are padded with zeros, which is exact: padded
            rows of A and columns of B get a zero gradient and stay zero.
        start: First column of A, of shape (rank, in). B follows it as its transpose, of shape (rank, out):
            products that leave the rank outside are twice as fast on a CPU.
        scaled: Whether there are magnitudes, of shape (out,).
    """

    features: tuple[int, int]
    rank: int
    start: int
    scaled: bool

    @property
    def end(self) -> int:
        """Column after all of it."""
        return self._end_of_b + self.scaled * self.features[1]

    @property
    def _end_of_b(self) -> int:
        return self.start + self.rank * sum(self.features)

    def views(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """A of shape (rows, rank, in) and B.T of shape (rows, rank, out) in `rows`, sharing its storage."""
        inner, outer = self.features
        middle = self.start + self.rank * inner
        a = rows[:, self.start : middle].view(-1, self.rank, inner)
        return a, rows[:, middle : self._end_of_b].view(-1, self.rank, outer)

    def magnitudes(self, rows: Tensor) -> Tensor:
        """Magnitudes of shape (rows, out) in `rows`, sharing its storage."""
        return rows[:, self._end_of_b : self.end]


Ranks: TypeAlias = Mapping[str, int]
"""Of an adapter the rank of each linear layer that it adapts, by the layer's name."""


class Row(NamedTuple):
    """An adapter.

    Attributes:
        ranks: Its ranks.
        frozen: How many of the last ranks of every layer are not trained.
        scaled: Whether its layers have magnitudes (DoRA, Liu et al., 2024, arXiv:2402.09353).
    """

    ranks: Ranks
    frozen: int
    scaled: bool


class Arena:
    """Weights, gradients and moments of the trials that a worker holds, each of shape (trials, columns).

    A site that a trial does not adapt is zero in its row, and stays so.

    Args:
        features: (in, out) of every linear layer that could be adapted, by name.
        device: Where the base model computes.
        dtype: Of weights, gradients and moments.
    """

    def __init__(
        self, features: Mapping[str, tuple[int, int]], device: torch.device, dtype: torch.dtype
    ) -> None:
        self._features = dict(features)
        self._rows: list[Row] = []
        self.sites: dict[str, Site] = {}
        self.columns = 0
        self._storage = tuple(torch.zeros(0, extra, device=device, dtype=dtype) for extra in _EXTRAS)
        self.weights, self.grads, self.first, self.second = self._storage

    @property
    def room(self) -> tuple[int, int]:
        """Rows and columns that there is storage for."""
        rows, columns = self._storage[0].shape
        return rows, columns

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, ranks: Ranks, frozen: int = 0, scaled: bool = False) -> None:
        """Appends a row of zeros, and makes room for its ranks and for no more than any row needs.

        Args:
            ranks: See `Row`, as for the rest.
            frozen: Likewise.
            scaled: Likewise.

        Raises:
            torch.OutOfMemoryError: There is no room; nothing has changed.
        """
        held = [*self._rows, Row(ranks, frozen, scaled)]
        sites, columns = self._sites(held)
        if sites != self.sites or len(held) > len(self._storage[0]):
            self._storage = self._laid_out(sites, columns, len(held))
            self.sites, self.columns = sites, columns
        self._hold(held)
        for tensor in (self.weights, self.grads, self.first, self.second):
            tensor[-1].zero_()

    def remove(self, row: int) -> None:
        """Drops a row, and puts the last one in its place. Needs no memory, and keeps what there is."""
        for tensor in (self.weights, self.grads, self.first, self.second):
            tensor[row].copy_(tensor[-1])
        held = [*self._rows]
        held[row] = held[-1]
        self._hold(held[:-1])

    def reorder(self, order: Sequence[int]) -> None:
        """Puts row `order[i]` in place i."""
        moved = [place for place, row in enumerate(order) if place != row]
        source = [order[place] for place in moved]
        if moved:
            for tensor in (self.weights, self.grads, self.first, self.second):
                tensor[moved] = tensor[source]
            self._rows = [self._rows[row] for row in order]

    def rank(self, row: int, site: str) -> int:
        """A row's own rank at a layer; 0 where it has no adapter there."""
        return self._rows[row].ranks.get(site, 0)

    def views(self, row: int, tensor: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """A (rank, in) and B.T (rank, out) of one row of `tensor` by layer, sharing the storage."""
        return self._views(tensor[row], self._rows[row].ranks)

    def trained(self, row: int, tensor: Tensor) -> dict[str, tuple[Tensor, ...]]:
        """What is trained of one row by layer: A, B.T and, where there are any, magnitudes.

        Args:
            row: Which one.
            tensor: That row of weights, gradients or moments, shape (columns,).
        """
        ranks, frozen, scaled = self._rows[row]
        return {
            name: (
                a[: len(a) - frozen],
                b[: len(b) - frozen],
                *([self.sites[name].magnitudes(tensor[None])[0]] if scaled else []),
            )
            for name, (a, b) in self._views(tensor, ranks).items()
        }

    def magnitudes(self, row: int, tensor: Tensor) -> dict[str, Tensor]:
        """Magnitudes (out) of one row of `tensor` by layer, sharing the storage; empty where it has none."""
        ranks, _, scaled = self._rows[row]
        return {name: self.sites[name].magnitudes(tensor)[row] for name in ranks} if scaled else {}

    def scaled(self, row: int, site: str) -> bool:
        """Whether a row has magnitudes at a layer."""
        return self._rows[row].scaled and site in self._rows[row].ranks

    def partly_frozen(self, row: int) -> bool:
        """Whether there is anything in a row that is not trained."""
        return self._rows[row].frozen > 0

    def drop_frozen(self, rows: int) -> None:
        """Drops the gradients of what is not trained in the first rows."""
        for row, (_, frozen, _) in enumerate(self._rows[:rows]):
            if frozen:
                for part in chain.from_iterable(self.views(row, self.grads).values()):
                    part[-frozen:].zero_()

    def _views(self, row: Tensor, ranks: Ranks) -> dict[str, tuple[Tensor, Tensor]]:
        views = {}
        for name, rank in ranks.items():
            a, b = self.sites[name].views(row[None])
            views[name] = (a[0, :rank], b[0, :rank])
        return views

    def _hold(self, held: list[Row]) -> None:
        self._rows = held
        self.weights, self.grads, self.first, self.second = (part[: len(held)] for part in self._storage)

    def _laid_out(self, sites: Mapping[str, Site], columns: int, rows: int) -> tuple[Tensor, ...]:
        """Storage of another layout with the rows that are held; those of gradients hold nothing yet."""
        made = tuple(self._storage[0].new_zeros(rows, columns + extra) for extra in _EXTRAS)
        for old, new, extra in zip(self._storage, made, _EXTRAS, strict=True):
            for row in range(0 if extra else len(self)):
                self._copy(old[row], new[row], sites)
        return made

    def _copy(self, old: Tensor, new: Tensor, sites: Mapping[str, Site]) -> None:
        if sites == self.sites:
            new.copy_(old)
            return
        for name in self.sites.keys() & sites.keys():
            rank = min(self.sites[name].rank, sites[name].rank)
            (a, b), (to_a, to_b) = (
                self.sites[name].views(old[None]),
                sites[name].views(new[None]),
            )
            to_a[:, :rank].copy_(a[:, :rank])
            to_b[:, :rank].copy_(b[:, :rank])
            if self.sites[name].scaled and sites[name].scaled:
                sites[name].magnitudes(new[None]).copy_(self.sites[name].magnitudes(old[None]))

    def _sites(self, held: Iterable[Row]) -> tuple[dict[str, Site], int]:
        most: dict[str, int] = {}
        scaled: set[str] = set()
        for row in held:
            for name, rank in row.ranks.items():
                most[name] = max(rank, most.get(name, 0))
            if row.scaled:
                scaled.update(row.ranks)
        sites, column = {}, 0
        for name, features in self._features.items():
            if name in most:
                sites[name] = Site(features, most[name], column, name in scaled)
                column = sites[name].end
        return sites, column
