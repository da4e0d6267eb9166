"""Trained tokens per second, packed, against plain PEFT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import torch

from benchmarks.gpu.part import Part, Row, Stage
from benchmarks.gpu.series import Aim, Measuring, Series
from benchmarks.packing.bases import SHAPES, miniature, random_base, random_examples
from benchmarks.packing.flops import matrix_peak
from benchmarks.packing.meter import release
from benchmarks.packing.standing import StandingPack
from benchmarks.packing.work import Work, make_trials

_EQUAL = (32,)
_UNEQUAL = (4, 8, 16, 32, 64)
_ALL = (32, 16, 8, 4, 2)

PLORA = 12.8
"""What PLoRA (Yan et al., 2025, arXiv:2508.02932) says it gains in throughput, at most."""

SERIES = (
    Series("8b", 1024, 1, _EQUAL, (16, 8, 4, 2), mixed=(16,), aims={16: Aim(8.0, share=0.45)}),
    Series("1.5b", 256, 1, _EQUAL, _ALL, mixed=(32,), aims={32: Aim(PLORA)}),
    Series("1.5b", 256, 4, _EQUAL, (8, 32, 16, 4, 2)),
    Series("1.5b", 1024, 1, _EQUAL, (8, 32, 16, 4, 2)),
    Series("1.5b", 256, 16, _EQUAL, (8, 2, 4, 16)),
    Series("1.5b", 1024, 4, _EQUAL, (8, 2, 4)),
    Series("1.5b", 1024, 16, _EQUAL, (2, 4)),
    Series("1.5b", 256, 1, _UNEQUAL, (16, 8, 4, 2), mixed=(16,)),
    Series("1.5b", 1024, 1, _UNEQUAL, (8, 4, 2)),
    Series("8b", 256, 1, _EQUAL, (16, 8, 4, 2)),
    Series("8b", 256, 4, _EQUAL, (4, 8, 2)),
    Series("8b", 1024, 4, _EQUAL, (2, 4)),
    Series("8b", 256, 16, _EQUAL, (2, 4)),
    Series("8b", 256, 1, _UNEQUAL, (16, 8, 4, 2)),
)
"""Most important first; neighbours share a model, and where they can its adapters."""

REHEARSED = (
    Series("8b", 12, 1, (4,), (2,), mixed=(2,), aims={2: Aim(8.0, share=0.45)}),
    Series("1.5b", 8, 2, (2, 4), (2,)),
)


def run(stage: Stage) -> Iterator[Row]:
    """See `Part`."""
    series = REHEARSED if stage.rehearse else SERIES
    peak = matrix_peak(stage.device, 256 if stage.rehearse else 8192)
    left_out: list[str] = []
    for _, alike in groupby(series, key=lambda each: (each.model, each.ranks)):
        yield from _on_one_pack(stage, list(alike), peak, left_out)
    if left_out:
        yield {"not_measured": left_out, "reason": "no time left"}


def _on_one_pack(stage: Stage, series: Sequence[Series], peak: float, left_out: list[str]) -> Iterator[Row]:
    """Series of one model and the same ranks, on the same adapters."""
    first, per_token = series[0], 0.0
    if not _enough(stage, _START[first.model]):
        left_out += [_named(each) for each in series]
        return
    shape = miniature(SHAPES[first.model]) if stage.rehearse else SHAPES[first.model]
    model = random_base(shape, stage.device)
    most = max(max(each.slots) for each in series)
    examples = random_examples(str(first.length), shape.vocab_size)
    work = Work(model, examples, make_trials(most, 1, first.ranks), warm=1, steps=1)
    pack = StandingPack(work)
    for each in series:
        if not _enough(stage, _LEAST):
            left_out.append(_named(each))
            continue
        measuring = Measuring(pack, work, each, peak, per_token)
        try:
            yield from measuring.rows(lambda seconds: _enough(stage, seconds))
        except torch.OutOfMemoryError:
            yield {"series": _named(each), "skipped": "out of memory"}
        per_token = measuring.per_token
        left_out += [f"{_named(each)}: {what}" for what in measuring.left_out]
    del pack, work, model, measuring
    release(stage.device)


def _enough(stage: Stage, seconds: float) -> bool:
    """Whether there is time for what takes so long; next to none where it is rehearsed."""
    return stage.remaining() > (0.0 if stage.rehearse else seconds)


_START = {"1.5b": 20.0, "8b": 30.0}
"""Seconds without which a model is not worth loading, its adapters not worth making."""

_LEAST = 6.0
"""Seconds that a series takes at least."""


def _named(series: Series) -> str:
    ranks = "/".join(str(rank) for rank in series.ranks)
    return f"{series.model}, length {series.length}, batch {series.batch_size}, rank {ranks}"


PART = Part(
    "throughput",
    "packed trials against plain PEFT in turn and PEFT's mixed batch, in trained tokens per second",
    170.0,
    run,
)
