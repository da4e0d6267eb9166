"""Aligning two vocabularies in blocks, against the product that forms the whole matrix of similarities.

Vectors are random unit vectors; what is timed is the search for the most similar source token of each
target token. Both ways are timed in turn, `--repeats` times each, in seconds of wall time, and the least
counts; peak memory is that of numpy's arrays in a run of its own. The whole matrix is left out at sizes where
it has more than `--most` GiB. Then token vectors are timed (`ppmi_svd`) on generated streams of `--tokens`
tokens whose frequencies follow Zipf's law.

The last line is one JSON object; ratios are of blocks to the whole matrix.
"""

from __future__ import annotations

import argparse
import json
import time
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from trainables.adaptation.alignment import Nearest, nearest
from trainables.adaptation.similarities import Features
from trainables.adaptation.streams import TokenStream
from trainables.adaptation.vectors import VectorSettings, ppmi_svd

SIZES = (5_000, 20_000, 50_000)
"""Tokens of either vocabulary."""

_DOCUMENT = 200


def random_features(tokens: int, dimensions: int, seed: int = 0) -> Features:
    """Unit vectors of two vocabularies of this size."""
    draw = np.random.default_rng(seed)
    rows = draw.standard_normal((2, tokens, dimensions), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=-1, keepdims=True)
    return Features(rows[0], rows[1])


def whole_matrix(features: Features) -> Nearest:
    """As `nearest`, from all similarities at once."""
    similarities = features.target @ features.source.T
    rows = similarities.argmax(axis=1)
    return Nearest(rows, similarities[np.arange(len(rows)), rows])


def generated_stream(vocabulary: int, tokens: int, seed: int = 0) -> TokenStream:
    """Documents of 200 tokens whose frequencies follow Zipf's law."""
    draw = np.random.default_rng(seed)
    shares = 1 / np.arange(1, vocabulary + 1)
    ids = draw.choice(vocabulary, tokens, p=shares / shares.sum()).astype(np.int32)
    return TokenStream(ids, np.arange(0, tokens + _DOCUMENT, _DOCUMENT).clip(max=tokens), vocabulary)


def timed(ways: Sequence[Callable[[], Any]], repeats: int) -> list[tuple[float, int]]:
    """The least seconds and the peak memory in bytes of each of several ways, in turn."""
    seconds = [[0.0] * repeats for _ in ways]
    peaks = []
    for repeat in range(repeats):
        for place, way in enumerate(ways):
            began = time.perf_counter()
            way()
            seconds[place][repeat] = time.perf_counter() - began
    for way in ways:
        tracemalloc.start()
        way()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return list(zip(map(min, seconds), peaks, strict=True))


def measure(size: int, dimensions: int, repeats: int, most: float) -> dict[str, float]:
    """Seconds and peak memory of one size, and the ratios where the whole matrix is formed."""
    features = random_features(size, dimensions)
    ways: list[Callable[[], Any]] = [lambda: nearest(features)]
    if size**2 * 4 <= most * 2**30:
        ways.append(lambda: whole_matrix(features))
        assert (nearest(features).rows == whole_matrix(features).rows).mean() > 0.999
    (seconds, peak), *whole = timed(ways, repeats)
    row = {"tokens": size, "dimensions": dimensions, "seconds": seconds, "peak_mib": peak / 2**20}
    for whole_seconds, whole_peak in whole:
        row |= {"seconds_ratio": seconds / whole_seconds, "peak_ratio": peak / whole_peak}
    return row


def main() -> None:
    """Prints one line per size, and all as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--dimensions", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--most", type=float, default=2.0)
    parser.add_argument("--tokens", type=int, default=2_000_000)
    given = parser.parse_args()
    rows, vectors = [], []
    for size in given.sizes:
        rows.append(measure(size, given.dimensions, given.repeats, given.most))
        print(" ".join(f"{name} {value:.4g}" for name, value in rows[-1].items()))
        stream = generated_stream(size, given.tokens)
        ((seconds, peak),) = timed([partial(ppmi_svd, stream, VectorSettings(given.dimensions))], 1)
        vectors.append({"tokens": size, "corpus": given.tokens, "seconds": seconds, "peak_mib": peak / 2**20})
        print("vectors:", " ".join(f"{name} {value:.4g}" for name, value in vectors[-1].items()))
    print(json.dumps({"alignment": rows, "vectors": vectors}))


if __name__ == "__main__":
    main()
