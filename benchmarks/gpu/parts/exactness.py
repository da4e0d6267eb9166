"""Packed trials against the same trials alone with plain PEFT."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.gpu.part import Part, Row, Stage


def run(stage: Stage) -> Iterator[Row]:
    """A row for each comparison."""
    yield {"device": str(stage.device)}


PART = Part("exactness", "a trial in a pack gives the numbers that plain PEFT gives it alone", 90, run)
