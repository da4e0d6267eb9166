"""Storage of all adapters of a worker: one row per trial, so that a pack takes few, large operations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

EXTRA = 3
"""Columns of the gradients that hold no gradient: what else the workers sum in the same call."""


@dataclass(frozen=True)
class Site:
    """Where a linear layer's A and B lie in a row.

    Attributes:
        features: (in, out) of the layer.
        rank: Largest rank of any trial here; the others are padded with zeros, which is exact: padded
            rows of A and columns of B get a zero gradient and stay zero.
        start: First column of A, of shape (rank, in). B follows it as its transpose, of shape (rank, out):
            products that leave the rank outside are twice as fast on a CPU.
    """

    features: tuple[int, int]
    rank: int
    start: int

    @property
    def end(self) -> int:
        """Column after B."""
        return self.start + self.rank * sum(self.features)

    def views(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """A of shape (rows, rank, in) and B.T of shape (rows, rank, out) in `rows`, sharing its storage."""
        inner, outer = self.features
        middle = self.start + self.rank * inner
        a = rows[:, self.start : middle].view(-1, self.rank, inner)
        return a, rows[:, middle : self.end].view(-1, self.rank, outer)


Ranks: TypeAlias = Mapping[str, int]
"""One adapter: the rank of each linear layer that it adapts, by the layer's name."""


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
        self._ranks: list[Ranks] = []
        self.sites: dict[str, Site] = {}
        self.columns = 0
        self.weights, self.grads, self.first, self.second = (
            torch.zeros(0, extra, device=device, dtype=dtype) for extra in (0, EXTRA, 0, 0)
        )

    def __len__(self) -> int:
        return len(self._ranks)

    def add(self, ranks: Ranks) -> None:
        """Appends a row of zeros, and makes room for its ranks and for no more than any row needs."""
        self._lay_out([*range(len(self)), None], [*self._ranks, ranks])

    def remove(self, row: int) -> None:
        """Drops a row; those after it move up."""
        rest = [index for index in range(len(self)) if index != row]
        self._lay_out(rest, [self._ranks[index] for index in rest])

    def reorder(self, order: Sequence[int]) -> None:
        """Puts row `order[i]` in place i."""
        moved = [place for place, row in enumerate(order) if place != row]
        source = [order[place] for place in moved]
        if moved:
            for tensor in (self.weights, self.grads, self.first, self.second):
                tensor[moved] = tensor[source]
            self._ranks = [self._ranks[row] for row in order]

    def rank(self, row: int, site: str) -> int:
        """A row's own rank at a layer; 0 where it has no adapter there."""
        return self._ranks[row].get(site, 0)

    def views(self, row: int, tensor: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """A (rank, in) and B.T (rank, out) of one row of `tensor` by layer, sharing the storage."""
        found = {}
        for name, rank in self._ranks[row].items():
            a, b = self.sites[name].views(tensor[row : row + 1])
            found[name] = (a[0, :rank], b[0, :rank])
        return found

    def _lay_out(self, rows: Sequence[int | None], held: list[Ranks]) -> None:
        """Brings the kept rows (None: a new one) into the layout that fits `held`."""
        sites, columns = self._sites(held)
        for name, extra in (("weights", 0), ("grads", EXTRA), ("first", 0), ("second", 0)):
            old: Tensor = getattr(self, name)
            new = old.new_zeros(len(rows), columns + extra)
            for place, row in enumerate(rows):
                if row is not None and name != "grads":  # no step is under way, so gradients hold nothing
                    self._copy(old[row], new[place], sites)
            setattr(self, name, new)
        self.sites, self.columns, self._ranks = sites, columns, held

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

    def _sites(self, held: Iterable[Ranks]) -> tuple[dict[str, Site], int]:
        most: dict[str, int] = {}
        for ranks in held:
            for name, rank in ranks.items():
                most[name] = max(rank, most.get(name, 0))
        sites, column = {}, 0
        for name, features in self._features.items():
            if name in most:
                sites[name] = Site(features, most[name], column)
                column = sites[name].end
        return sites, column
