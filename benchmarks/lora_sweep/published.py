"""Published LoRA runs of many models, by learning rate and rank."""

from __future__ import annotations

import csv
import math
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "lora_sweep.csv"

# Of models whose name does not have it, in billions of parameters.
_BILLIONS = {"DeepSeek-V3.1": 671, "Kimi-K2": 1000}
_NAMED = re.compile(r"(\d+(?:\.\d+)?)b(?![a-z0-9])", re.IGNORECASE)
_LEAST_RATES = 3


@dataclass(frozen=True)
class Model:
    """Runs of one model.

    Attributes:
        name: As published.
        losses: Mean test loss in nats per token, by learning rate and rank.
        runs: Number of runs.
    """

    name: str
    losses: Mapping[tuple[float, int], float]
    runs: int

    @cached_property
    def billions(self) -> float:
        """Its size, in billions of parameters."""
        for part, size in _BILLIONS.items():
            if part in self.name:
                return float(size)
        match = _NAMED.search(self.name)
        if match is None:
            raise ValueError(f"the size of {self.name} is not known")
        return float(match[1])

    @property
    def ranks(self) -> list[int]:
        """Ascending."""
        return sorted({rank for _, rank in self.losses})

    @property
    def rates(self) -> list[float]:
        """Learning rates, ascending."""
        return sorted({lr for lr, _ in self.losses})

    @property
    def best(self) -> float:
        """The least loss of all."""
        return min(self.losses.values())

    def regret(self, lr: float, rank: int) -> float:
        """Loss above the least one, of the run of this rank with the nearest learning rate by logarithm."""
        rates = [known for known, other in self.losses if other == rank]
        nearest = min(rates, key=lambda known: abs(math.log(known / lr)))
        return self.losses[nearest, rank] - self.best

    def at_largest_rank(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Logarithms of learning rates, ascending, and regrets at the largest rank."""
        rank = self.ranks[-1]
        rates = sorted(lr for lr, other in self.losses if other == rank)
        return np.log(rates), np.array([self.regret(lr, rank) for lr in rates])


def read_models(path: Path = SHARED) -> list[Model]:
    """Models with at least three learning rates at their largest rank, in the order of the file.

    Args:
        path: CSV with the columns model, lr, rank and test_nll.

    Raises:
        OSError: It cannot be read.
    """
    runs: defaultdict[str, defaultdict[tuple[float, int], list[float]]] = defaultdict(
        lambda: defaultdict(list)
    )
    with path.open(newline="") as lines:
        for row in csv.DictReader(lines):
            runs[row["model"]][float(row["lr"]), int(row["rank"])].append(float(row["test_nll"]))
    models = [
        Model(
            name,
            {key: float(np.mean(values)) for key, values in losses.items()},
            sum(map(len, losses.values())),
        )
        for name, losses in runs.items()
    ]
    return [model for model in models if len(model.at_largest_rank()[0]) >= _LEAST_RATES]
