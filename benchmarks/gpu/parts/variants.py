"""Other ways to make a packed pass, each against the product's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from benchmarks.gpu.fixed import Fixed, captured
from benchmarks.gpu.grouped import grouped_rows
from benchmarks.gpu.part import Part, Row, Stage
from benchmarks.packing.bases import SHAPES, miniature
from benchmarks.packing.standing import Repeats, seconds_of

_PACKS = (8, 32)
_LENGTH = 256
_SAME = 5e-2
"""Difference of gradients that rounding in bfloat16 may make, relative to the norm."""

_REPEATS = Repeats(runs=5, steps=2, seconds=1.5)


def run(stage: Stage) -> Iterator[Row]:
    """Grouped products, compiled pieces, and last CUDA graphs, whose failures leave the device unusable."""
    yield from grouped_rows(stage)
    shape = miniature(SHAPES["1.5b"]) if stage.rehearse else SHAPES["1.5b"]
    packs = (3,) if stage.rehearse else _PACKS
    fixed = Fixed(shape, max(packs), 16 if stage.rehearse else _LENGTH, stage.device)
    for way in (_compiled, _graph):
        for trials in packs:
            if stage.remaining() < 1 and not stage.rehearse:
                yield {"variant": way.__name__.strip("_"), "trials": trials, "skipped": "no time left"}
                continue
            with fixed.running(trials) as step:
                plain = step().clone()
                step()
                yield way(stage, fixed, step, plain) | {"trials": trials}


def _compiled(stage: Stage, fixed: Fixed, step: Callable[[], Tensor], plain: Tensor) -> Row:
    # In a rehearsal the compiler itself would take longer than all the rest.
    backend = "aot_eager" if stage.rehearse else "inductor"
    before = seconds_of(step, stage.device, _REPEATS)
    with fixed.compiled(backend):
        step()
        return _compared(stage, f"compiled pieces, {backend}", step, before, plain)


def _graph(stage: Stage, fixed: Fixed, step: Callable[[], Tensor], plain: Tensor) -> Row:
    if stage.device.type != "cuda":
        return {"variant": "CUDA graph", "skipped": "a CPU has none"}
    before = seconds_of(step, stage.device, _REPEATS)
    try:
        replayed = captured(step)
    except RuntimeError as error:
        return {"variant": "CUDA graph", "skipped": f"cannot be captured: {str(error).splitlines()[0]}"}
    return _compared(stage, "CUDA graph", replayed, before, plain)


def _compared(stage: Stage, name: str, step: Callable[[], Tensor], before: float, plain: Tensor) -> Row:
    off = float((step() - plain).norm() / plain.norm())
    speed = before / seconds_of(step, stage.device, _REPEATS)
    facts: Row = {"variant": name, "gradient_difference": off, "speed": speed}
    return facts | {"aim": f"difference <= {_SAME}", "met": off <= _SAME}


PART = Part(
    "variants",
    "whether compilation, CUDA graphs or grouped products would make a packed pass faster",
    40.0,
    run,
)
