"""How the rows of a pass belong to trials, and what of them each adapter learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from trainables.lora.dropout import keep_scale, stream_key
from trainables.lora.transfer import to_device


@dataclass(frozen=True)
class Dropout:
    """Dropout of the rows of one pass.

    Attributes:
        keys: Key of every row's stream, int64, shape (rows,); or of every token's, shape (rows, length).
        rates: Share that is dropped in every row, fp32, shape (rows,).
        positions: With keys by token, its position in its example, shape (rows, length).
    """

    keys: Tensor
    rates: Tensor
    positions: Tensor | None = None

    def scale(self, site: str, x: Tensor) -> Tensor:
        """`keep_scale` in the shape and type of a layer's input; every layer has a stream of its own."""
        rows = len(self.keys)
        length = x.numel() // (rows * x.shape[-1])
        keys = self.keys ^ stream_key(site)
        scale = keep_scale(keys, self.rates, length, x.shape[-1], self.positions)
        return scale.view(x.shape).to(x.dtype)


class Layout:
    """Which rows of a batch belong to which trial, and which adapters they run with.

    A trial may have several adapters, which all act on each of its rows. They lie in planes of the arena: the
    first adapters of all trials one after another, then the second ones in the same order.

    Args:
        first: Of each plane that takes part, the row in the arena of the first trial of the pass.
        counts: Rows of the batch of each trial from there on; a batch lists them in this order.
        device: Where the indices are needed.
        dropout: None where no row has dropout.
        gates: Of each of these planes, the rows or tokens that its adapters learn from, shape (rows, 1) or
            (rows, length); None is all of them. The gradient of a layer's input flows through all adapters
            anyway.
    """

    def __init__(
        self,
        first: Sequence[int],
        counts: Sequence[int],
        device: torch.device,
        dropout: Dropout | None = None,
        gates: Sequence[Tensor | None] = (),
    ) -> None:
        self.first, self.trials = tuple(first), len(counts)
        self.rows = sum(counts)
        self.dropout = dropout
        self._gates = tuple(gates) or (None,) * len(self.first)
        self._spread_gates: dict[tuple[int, int, torch.dtype], Tensor] = {}
        self._take: Tensor | None = None
        if len(set(counts)) > 1:
            # A batched product needs as many rows from everyone: short shares are filled with zeros.
            self._take, self._empty, self._put = _places(tuple(counts), device)

    @property
    def even(self) -> bool:
        """Whether every trial has as many rows as the others."""
        return self._take is None

    @property
    def whole_rows(self) -> bool:
        """Whether layers must see whole rows: what of them belongs to what is known by row."""
        return self.trials > 1 or any(gate is not None for gate in self._gates)

    def spread(self, x: Tensor) -> Tensor:
        """(rows, ..., features) by trial: (trials, tokens, features)."""
        if self._take is None:
            return x.reshape(self.trials, -1, x.shape[-1])
        taken = x.reshape(self.rows, -1, x.shape[-1])[self._take]
        taken.index_fill_(0, self._empty, 0)
        return taken.reshape(self.trials, -1, x.shape[-1])

    def gather(self, y: Tensor, like: Tensor) -> Tensor:
        """The inverse of `spread`, in the shape of `like` but for the features."""
        if self._take is not None:
            y = y.reshape(len(self._take), -1, y.shape[-1])[self._put]
        return y.reshape(*like.shape[:-1], y.shape[-1])

    def gate(self, plane: int, x: Tensor, dtype: torch.dtype) -> Tensor | None:
        """1 for the tokens that a plane's adapters learn from, else 0, shape (trials, 1, tokens).

        Args:
            plane: Place in `first`.
            x: Input of the layer.
            dtype: Of the result.

        Returns:
            None where they learn from all.
        """
        gate = self._gates[plane]
        if gate is None:
            return None
        length = x.numel() // (self.rows * x.shape[-1])
        key = (plane, length, dtype)
        if key not in self._spread_gates:
            wide = gate.to(dtype).expand(self.rows, length)[..., None]
            self._spread_gates[key] = self.spread(wide).transpose(1, 2)
        return self._spread_gates[key]


@lru_cache(maxsize=64)
def _places(counts: tuple[int, ...], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Places of even shares: the row that each takes, those that no row fills, and those of the rows.

    Kept, for passes of a pack are alike from step to step, and a GPU would wait for the indices.
    """
    starts = [sum(counts[:index]) for index in range(len(counts))]
    take = [
        start + row if row < count else -1
        for start, count in zip(starts, counts, strict=True)
        for row in range(max(counts))
    ]
    empty = [place for place, row in enumerate(take) if row < 0]
    put = [place for place, row in enumerate(take) if row >= 0]
    indices = (torch.tensor(each) for each in ([max(0, row) for row in take], empty, put))
    taken, without, given = to_device(list(indices), device)
    return taken, without, given
