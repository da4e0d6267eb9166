"""Principal components of token embeddings from counted tokens, against every token's vector decomposed.

A corpus of `--tokens` tokens whose frequencies follow Zipf's law is drawn over a random table of embeddings,
whose columns differ in scale. `fit` sums the covariance over different tokens, each with its count. Beside
it, the vectors of all tokens are decomposed by `torch.linalg.svd` in float64, and approximately by
`torch.pca_lowrank` in float32 (Halko et al., 2011, doi:10.1137/090771806). All are timed in turn, `--repeats`
times each, in seconds of wall time, and the least counts.

The last line is one JSON object; ratios are of `fit` to the others. `lost` is the share of the variance along
the first components of `fit` that lies outside those of the others: near 0 where they agree.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from trainables.reconstruction.components import Components, fit

_BLOCK = 4096


def generated(width: int, vocabulary: int, tokens: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A table of embeddings, shape (vocabulary, width), and token ids, shape (tokens,)."""
    draw = torch.Generator().manual_seed(seed)
    scales = torch.arange(1, width + 1) ** -0.5
    table = torch.randn(vocabulary, width, generator=draw) * scales
    shares = 1 / torch.arange(1, vocabulary + 1)
    return table, torch.multinomial(shares, tokens, replacement=True, generator=draw)


def counted(table: Tensor, ids: Tensor) -> Components:
    """Components of the ids' embeddings, each different one counted."""
    different, counts = torch.unique(ids, return_counts=True)
    parts = zip(different.split(_BLOCK), counts.split(_BLOCK), strict=True)
    return fit((table[part], count) for part, count in parts)


def decomposed(table: Tensor, ids: Tensor) -> Tensor:
    """Components of the same, shape (width, width), from every token's vector."""
    rows = table[ids].double()
    basis: Tensor = torch.linalg.svd(rows - rows.mean(0), full_matrices=False)[2]
    return basis


def approximated(table: Tensor, ids: Tensor, latent: int) -> Tensor:
    """The first components, shape (latent, width), approximately."""
    basis: Tensor = torch.pca_lowrank(table[ids], q=latent)[2]
    return basis.T


def measure(width: int, vocabulary: int, tokens: int, repeats: int) -> dict[str, float]:
    """Seconds and ratios of one width, with a quarter of it as the latent's dimension."""
    table, ids = generated(width, vocabulary, tokens)
    latent = width // 4
    ways: Mapping[str, Callable[[], Components | Tensor]] = {
        "counted": lambda: counted(table, ids),
        "svd": lambda: decomposed(table, ids),
        "lowrank": lambda: approximated(table, ids, latent),
    }
    seconds = dict.fromkeys(ways, float("inf"))
    made: dict[str, Components | Tensor] = {}
    for _ in range(repeats):
        for name, way in ways.items():
            began = time.perf_counter()
            made[name] = way()
            seconds[name] = min(seconds[name], time.perf_counter() - began)
    ours = made.pop("counted")
    assert isinstance(ours, Components)
    row: dict[str, float] = {"width": width, "latent": latent, "seconds": seconds["counted"]}
    for name, basis in made.items():
        assert isinstance(basis, Tensor)
        row |= {f"ratio_{name}": seconds["counted"] / seconds[name]}
        row |= {f"lost_{name}": _lost(ours, basis[:latent].double(), latent)}
    return row


def _lost(ours: Components, others: Tensor, latent: int) -> float:
    """Share of the variance along our first components that lies outside the span of the others."""
    variances = ours.variances[:latent]
    kept = (ours.basis[:latent] @ others.T).square().sum(1)
    return float(1 - (variances * kept).sum() / variances.sum())


def main() -> None:
    """Prints one line per width, and all as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=(128, 576, 2048))
    parser.add_argument("--vocabulary", type=int, default=50_000)
    parser.add_argument("--tokens", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    rows = []
    for width in given.widths:
        rows.append(measure(width, given.vocabulary, given.tokens, given.repeats))
        print(" ".join(f"{name} {value:.4g}" for name, value in rows[-1].items()), flush=True)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
