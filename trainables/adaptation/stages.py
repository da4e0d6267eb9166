"""Which part of the stream of sequences each stage has read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class Stages:
    """Two ranges of one stream: all sequences, shuffled anew in each pass over them.

    Args:
        border: Optimizer steps of stage 1.
        sequences: Number of sequences in a pass.
    """

    def __init__(self, border: int, sequences: int) -> None:
        self._border, self._sequences = border, sequences
        self._ranges: dict[int, tuple[int, int]] = {}

    def take(self, step: int, batch: int) -> None:
        """Adds the sequences of an optimizer step, which is the one after `step`, to its stage."""
        stage, first = 1 if step < self._border else 2, step * batch
        begin, _ = self._ranges.get(stage, (first, first))
        self._ranges[stage] = (begin, first + batch)

    def _range(self, stage: int) -> tuple[int, int]:
        """Where a stage began, and where it is; a stage 2 that has not begun is where stage 1 is."""
        if stage in self._ranges:
            return self._ranges[stage]
        return (0, 0) if stage == 1 else (self._range(1)[1],) * 2

    @property
    def metrics(self) -> dict[str, float]:
        """As `trainables.adaptation.metrics` declares them."""
        (begin, end), (first, last) = self._range(1), self._range(2)
        return {
            "stage1_steps": float(self._border),
            "stage1_sequences": float(end - begin),
            "stage2_first": float(first),
            "stage2_sequences": float(last - first),
            "stage1_passes": (end - begin) / self._sequences,
            "stage2_passes": (last - first) / self._sequences,
        }

    def plain(self) -> list[dict[str, int]]:
        """As plain data."""
        return [{"stage": stage, "first": a, "end": b} for stage, (a, b) in sorted(self._ranges.items())]

    def resume(self, stages: Iterable[Mapping[str, Any]]) -> None:
        """Goes on from what `plain` gave."""
        self._ranges = {int(each["stage"]): (int(each["first"]), int(each["end"])) for each in stages}
