"""What a part of the measurement is, and where it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

Row: TypeAlias = dict[str, Any]
"""One measurement: what JSON can hold. Where there is an aim, `aim` says it and `met` whether it was met."""


@dataclass(frozen=True)
class Stage:
    """Where a part runs.

    Attributes:
        device: Where it computes.
        rehearse: Whether this only shows that the part runs: small shapes, a second or few in all.
        until: `time.monotonic` at which the part's box ends, and soon after it the part.
    """

    device: torch.device
    rehearse: bool
    until: float

    def remaining(self) -> float:
        """Seconds until the box ends; below 0 after that."""
        return self.until - time.monotonic()


@dataclass(frozen=True)
class Part:
    """Measurements that belong together, made in a process of their own.

    Attributes:
        name: Name of its module in `benchmarks.gpu.parts`.
        claim: What it shows, in one line, for the table.
        seconds: Its time box where it is not rehearsed.
        run: Yields a row for each measurement as it is made. A function of a module, so that another process
            finds it.
    """

    name: str
    claim: str
    seconds: float
    run: Callable[[Stage], Iterator[Row]]
