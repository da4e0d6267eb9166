"""Packed trials against the same trials alone with plain PEFT, both against plain PEFT in float64."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from benchmarks.gpu.errors import Numbers, compare
from benchmarks.gpu.part import Part, Row, Stage
from benchmarks.gpu.subjects import Subject, subjects
from benchmarks.gpu.together import diverging, read_by_peft, resumed, short_of_memory, together, waves

WAYS = {
    "all together": together,
    "joins and leaves": waves,
    "with one that diverges": diverging,
    "saved, loaded and resumed": resumed,
}
"""How the trials come to share passes."""

_NO_MEMORY = "running out of memory for real"


_LOGITS = {torch.float32: 1e-5, torch.bfloat16: 2e-2}
"""Aims: the difference of logits, relative to the largest, by no more than some units of rounding."""


def run(stage: Stage) -> Iterator[Row]:
    """A row for each way of packing and each precision."""
    for first, subject in zip((True, False, False), subjects(stage), strict=False):
        if stage.remaining() < 0:
            yield {"model": subject.name, "skipped": "no time left"}
            continue
        exact = subject.alone(torch.float64)
        for dtype in (torch.float32, torch.bfloat16):
            plain = subject.alone(dtype)
            # A rehearsal shows each of them once, and the rest of the models in one way.
            for name in WAYS if first or not stage.rehearse else list(WAYS)[:1]:
                packed = WAYS[name](subject, dtype)
                yield _row(subject, dtype, name, (packed, plain, exact))
            spared = replace(subject, checkpointing=True)
            yield _row(spared, dtype, "all together", (together(spared, dtype), plain, exact))
            if first:
                yield _memory(stage, subject, dtype, plain, exact)
                yield _saved(subject, dtype)


def _memory(
    stage: Stage, subject: Subject, dtype: torch.dtype, plain: Sequence[Numbers], exact: Sequence[Numbers]
) -> Row:
    if stage.device.type != "cuda":
        # There torch raises another error, and the system ends a process before that.
        return _what(subject, dtype, _NO_MEMORY) | {"skipped": "a CPU does not run out as a GPU does"}
    packed, passes = short_of_memory(subject, dtype)
    return _row(subject, dtype, _NO_MEMORY, (packed, plain, exact)) | {"passes": passes}


def _saved(subject: Subject, dtype: torch.dtype) -> Row:
    most, difference = _LOGITS[dtype], read_by_peft(subject, dtype)
    row = _what(subject, dtype, "saved, and read by PEFT") | {"logits_difference": difference}
    return row | {"aim": f"<= {most}", "met": difference <= most}


def _what(subject: Subject, dtype: torch.dtype, way: str) -> Row:
    precision = str(dtype).removeprefix("torch.")
    facts: Row = {"model": subject.name, "precision": precision, "way": way}
    return facts | {"checkpointing": subject.checkpointing}


def _row(
    subject: Subject,
    dtype: torch.dtype,
    way: str,
    numbers: tuple[Sequence[Numbers], Sequence[Numbers], Sequence[Numbers]],
) -> Row:
    return _what(subject, dtype, way) | compare(*numbers)


PART = Part("exactness", "a trial in a pack gives the numbers that plain PEFT gives it alone", 90, run)
