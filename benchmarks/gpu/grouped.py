"""Grouped matrix products for the adapters of a layer, against the batched products of packing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.gpu.part import Row, Stage
from benchmarks.packing.standing import Repeats, seconds_of

_SAME = 2e-2
_MIXED = (8, 16, 32, 64)
"""Ranks in turn: a grouped product wants multiples of 8, so that rank 4 would be padded to 8."""


@dataclass(frozen=True)
class _Case:
    """Adapters of a layer, and the tokens of each."""

    ranks: tuple[int, ...]
    tokens: tuple[int, ...]
    width: int


def grouped_rows(stage: Stage) -> Iterator[Row]:
    """A row for equal and mixed ranks, and for equal and unequal shares of tokens."""
    grouped: Any = getattr(functional, "grouped_mm", None) or getattr(torch, "_grouped_mm", None)
    if grouped is None:
        yield {"variant": "grouped products", "skipped": f"torch {torch.__version__} has none"}
        return
    tokens, width = (16, 64) if stage.rehearse else (256, 1536)
    for trials in (4,) if stage.rehearse else (8, 32):
        equal = (tokens,) * trials
        mixed = tuple(_MIXED[index % len(_MIXED)] for index in range(trials))
        unequal = tuple(tokens * (1 + index % 4) // 2 for index in range(trials))
        for name, ranks, shares in (
            ("ranks 32", (32,) * trials, equal),
            ("ranks 8 to 64", mixed, equal),
            ("ranks 32, unequal shares", (32,) * trials, unequal),
        ):
            yield _row(stage, name, _Case(ranks, shares, width), grouped)


def _row(stage: Stage, name: str, case: _Case, grouped: Any) -> Row:
    torch.manual_seed(0)
    options: Any = {"device": stage.device, "dtype": torch.bfloat16}
    x = torch.randn(sum(case.tokens), case.width, **options)
    a = [0.05 * torch.randn(rank, case.width, **options) for rank in case.ranks]
    b = [0.05 * torch.randn(rank, case.width, **options) for rank in case.ranks]
    ways = _batched(case, x, a, b), _grouped(case, x, a, b, grouped)
    expected, got = (way().float() for way in ways)
    off = float((got - expected).norm() / expected.norm())
    repeats = Repeats(runs=5, steps=20, seconds=0.3)
    batched, other = (seconds_of(way, stage.device, repeats) for way in ways)
    facts: Row = {"variant": "grouped products", "trials": len(case.ranks), "case": name}
    facts |= {"difference": off, "speed": batched / other}
    return facts | {"aim": f"difference <= {_SAME}", "met": off <= _SAME}


def _padded(parts: list[Tensor]) -> Tensor:
    """Shape (adapters, most rows, features), with zeros below those that have fewer."""
    return torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)


def _batched(case: _Case, x: Tensor, a: list[Tensor], b: list[Tensor]) -> Callable[[], Tensor]:
    """As `trainables.lora.packed` does it: ranks and shares of tokens padded to the largest."""
    wide_a, wide_b = _padded(a).transpose(1, 2), _padded(b)
    most = max(case.tokens)
    even = all(count == most for count in case.tokens)
    real = torch.arange(most) < torch.tensor(case.tokens)[:, None]
    put = real.flatten().nonzero()[:, 0].to(x.device)

    def way() -> Tensor:
        if even:
            seen = x.view(len(a), most, -1)
        else:
            seen = x.new_zeros(len(a) * most, x.shape[1]).index_copy_(0, put, x).view(len(a), most, -1)
        out = torch.bmm(torch.bmm(seen, wide_a), wide_b).flatten(0, 1)
        return out if even else out[put]

    return way


def _grouped(case: _Case, x: Tensor, a: list[Tensor], b: list[Tensor], grouped: Any) -> Callable[[], Tensor]:
    """Nothing is padded: the groups lie side by side, along the ranks where these differ, or the tokens."""

    def ends(sizes: tuple[int, ...]) -> Tensor:
        return torch.tensor(list(accumulate(sizes)), device=x.device, dtype=torch.int32)

    if len(set(case.ranks)) > 1:
        ranks, wide_a, wide_b = ends(case.ranks), torch.cat(a).t(), torch.cat(b)

        def by_rank() -> Tensor:
            inner = grouped(x.view(len(a), -1, x.shape[1]), wide_a, offs=ranks)
            out: Tensor = grouped(inner, wide_b, offs=ranks)
            return out.flatten(0, 1)

        return by_rank
    tokens, tall_a = ends(case.tokens), torch.stack(a).transpose(1, 2)
    tall_b = torch.stack(b).transpose(1, 2).contiguous().transpose(1, 2)

    def by_tokens() -> Tensor:
        out: Tensor = grouped(grouped(x, tall_a, offs=tokens), tall_b, offs=tokens)
        return out

    return by_tokens
