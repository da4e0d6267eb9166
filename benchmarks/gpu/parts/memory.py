"""Memory of packed steps against what the plan expects of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.gpu.part import Part, Row, Stage
from benchmarks.gpu.peak import peak_bytes
from benchmarks.gpu.shapes import model, sizes, started, work
from benchmarks.packing.meter import release
from benchmarks.packing.work import Work
from trainables.lora.adapters import Adapters
from trainables.lora.memory import adapter_bytes, pass_bytes

NEAR = 0.1
"""Aim: the estimate is within this share of what was measured."""

RANK = 32


@dataclass(frozen=True)
class Cell:
    """A pack: the shape of its model, its trials and their batches, and whether blocks are computed again."""

    shape: str
    slots: int
    batch_size: int
    length: int
    checkpointing: bool


CELLS = (
    Cell("1.5b", 1, 1, 256, False),
    Cell("1.5b", 32, 1, 256, False),
    Cell("1.5b", 8, 1, 1024, False),
    Cell("1.5b", 4, 4, 1024, True),
    Cell("8b", 4, 1, 1024, False),
    Cell("8b", 16, 1, 1024, True),
)
REHEARSED = (Cell("1.5b", 2, 2, 64, False), Cell("8b", 3, 1, 64, True))


def run(stage: Stage) -> Iterator[Row]:
    """A row for each pack."""
    base, shape = None, ""
    for cell in REHEARSED if stage.rehearse else CELLS:
        row: Row = vars(cell) | {"rank": RANK}
        if stage.remaining() < 0:
            yield row | {"skipped": "no time left"}
            continue
        if base is None or cell.shape != shape:
            base, shape = None, cell.shape  # before the next one is made
            release(stage.device)
            base = model(stage, shape)
        given = work(base, cell.slots, cell.batch_size, cell.length, RANK)
        try:
            yield row | _measured(stage, given, cell)
        except torch.OutOfMemoryError:
            yield row | {"skipped": "out of memory"}
        release(stage.device)


def _measured(stage: Stage, given: Work, cell: Cell) -> Row:
    pack, adapters = started(given, cell.checkpointing)
    pack.step()
    if stage.device.type == "cuda":
        held = torch.cuda.memory_allocated(stage.device)
    else:
        held = _bytes(given.model, adapters)
    measured = held + peak_bytes(pack.step, stage.device)
    shapes = sizes(given.model)
    half = next(given.model.parameters()).dtype == torch.bfloat16
    trainable = sum(RANK * sum(pair) for pair in shapes.linear.values())
    weights = sum(weight.numel() * weight.element_size() for weight in given.model.parameters())
    tokens = cell.slots * cell.batch_size * cell.length
    arena = cell.slots * adapter_bytes(trainable, half)
    one_pass = pass_bytes(shapes, tokens, RANK, half, cell.checkpointing, stage.device.type)
    expected = weights + arena + one_pass
    return {
        "measured_gib": measured / 2**30,
        "expected_gib": expected / 2**30,
        "ratio": expected / measured,
        "aim": f"within {NEAR:.0%}",
        "met": abs(expected / measured - 1) <= NEAR,
    }


def _bytes(model: nn.Module, adapters: Adapters) -> int:
    """Bytes of a model and the adapters on it, which torch does not count on a CPU."""
    arena = adapters.arena
    tensors: list[Tensor] = [*model.parameters(), arena.weights, arena.grads, arena.first, arena.second]
    held = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    copy = arena.weights.numel() * 2 if next(model.parameters()).dtype == torch.bfloat16 else 0
    return sum(held.values()) + copy


PART = Part("memory", "a packed step takes the memory that the plan says", 60, run)
