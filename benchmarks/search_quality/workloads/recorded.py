"""Our own curves: LoRA on the embedded model, recorded over a grid, at several seeds and rungs."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from pathlib import Path

import numpy as np

from benchmarks.search_quality.parameters import Nearest
from benchmarks.search_quality.workload import Curve, Floats, Objective, Params, Workload, score_against

TABLE = Path(__file__).parent.parent / "data" / "embedded_grid.csv.gz"


class RecordedGrid(Workload):
    """Learning rate, rank and alpha per rank, against training loss and retained capability.

    A proposed learning rate is run as the nearest recorded one, by logarithm. A trial replays one of the
    configuration's recorded runs, with the seconds measured then; the truth is the mean over those runs at
    the last rung. Where a run diverged before a rung, the worst values recorded at that rung stand in.

    Args:
        table: Gzipped CSV as `benchmarks.search_quality.record_table` writes it.
        moved: Factor on all learning rates, by which the best ones are not where published runs have them.

    Raises:
        FileNotFoundError: There is no such table.
    """

    name = "recorded"
    objectives = (Objective("train_loss", "min"), Objective("retention", "max"))

    def __init__(self, table: Path = TABLE, moved: float = 1.0) -> None:
        if moved != 1.0:
            self.name = f"recorded-x{moved:g}"
        with gzip.open(table, "rt", newline="") as lines:
            rows = list(csv.DictReader(lines))
        self.rungs = tuple(sorted({int(row["step"]) for row in rows}))
        seeds_of: defaultdict[tuple[float, int, int], set[int]] = defaultdict(set)
        for row in rows:
            seeds_of[_configuration(row)].add(int(row["seed"]))
        self.candidates = [
            {"lr": lr * moved, "rank": rank, "alpha_per_rank": alpha} for lr, rank, alpha in sorted(seeds_of)
        ]
        lrs, ranks, alphas = (sorted(set(values)) for values in zip(*seeds_of, strict=True))
        self.parameters = {
            "lr": {"type": "log-float", "low": lrs[0] * moved, "high": lrs[-1] * moved},
            "rank": {"type": "categorical", "choices": ranks},
            "alpha_per_rank": {"type": "categorical", "choices": alphas},
        }
        self._nearest = Nearest(self.parameters, self.candidates)
        self._curves = _curves(rows, self.rungs)
        self._truths = np.stack(
            [np.mean([curve.values[-1] for curve in curves], axis=0) for curves in self._curves]
        )
        self.reference, self.best_hypervolume = score_against(self.minimised(self._truths))

    def run(self, params: Params, seed: int) -> Curve:
        """A recorded run; shape [rungs, 2], costs in seconds."""
        curves = self._curves[self._nearest.index(params)]
        return curves[seed % len(curves)]

    def truth(self, params: Params) -> Floats:
        """Mean over the recorded runs."""
        truth: Floats = self._truths[self._nearest.index(params)]
        return truth


def _configuration(row: dict[str, str]) -> tuple[float, int, int]:
    return float(row["lr"]), int(row["rank"]), int(row["alpha_per_rank"])


def _curves(rows: list[dict[str, str]], steps: tuple[int, ...]) -> list[list[Curve]]:
    """The recorded runs of each configuration, in the order of configurations and then of seeds."""
    runs: defaultdict[tuple[float, int, int], defaultdict[int, Floats]] = defaultdict(
        lambda: defaultdict(lambda: np.full((len(steps), 4), np.nan))
    )
    for row in rows:
        runs[_configuration(row)][int(row["seed"])][steps.index(int(row["step"]))] = [
            float(row[name]) for name in ("train_loss", "retention", "train_seconds", "eval_seconds")
        ]
    every = np.stack([run for _, seeds in sorted(runs.items()) for _, run in sorted(seeds.items())])
    loss, retention, *_ = np.moveaxis(np.where(np.isfinite(every), every, np.nan), 2, 0)
    worst = np.stack([np.nanmax(loss, axis=0), np.nanmin(retention, axis=0)], axis=1)
    return [[_curve(run, worst) for _, run in sorted(seeds.items())] for _, seeds in sorted(runs.items())]


def _curve(run: Floats, worst: Floats) -> Curve:
    """One run; what it did not reach costs nothing."""
    values = np.where(np.isfinite(run[:, :2]), run[:, :2], worst)
    train, evaluation = np.nan_to_num(run[:, 2:]).T
    return Curve(values=values, train_costs=train, eval_costs=evaluation)
