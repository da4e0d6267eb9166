"""Our own curves on the embedded model, recorded over a grid, at several seeds and rungs."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from benchmarks.search_quality.parameters import Nearest
from benchmarks.search_quality.record_table import PLACE, SECONDS
from benchmarks.search_quality.workload import Curve, Floats, Objective, Params, Workload, score_against

FOLDER = Path(__file__).parent.parent / "data"
LOSS_AND_RETENTION = (Objective("train_loss", "min"), Objective("retention", "max"))

Configuration: TypeAlias = tuple[float, ...]
Row: TypeAlias = dict[str, str]


class RecordedGrid(Workload):
    """Learning rates, ranks and other parameters against the objectives of the search that was recorded.

    A proposed learning rate is run as the nearest recorded one, by logarithm; other parameters have the
    recorded values for choices. A trial replays one of the configuration's recorded runs, with the seconds
    measured then; the truth is the mean over those runs at the last rung. Where a run diverged before a rung,
    the worst values recorded at that rung stand in.

    Args:
        name: In the registry.
        table: Gzipped CSV as `benchmarks.search_quality.record_table` writes it.
        objectives: Of the table.
        moved: Factor on all learning rates, by which the best ones are not where published runs have them.

    Raises:
        FileNotFoundError: There is no such table.
    """

    def __init__(
        self,
        name: str,
        table: Path,
        objectives: Sequence[Objective] = LOSS_AND_RETENTION,
        moved: float = 1.0,
    ) -> None:
        self.name = name
        self.objectives = tuple(objectives)
        with gzip.open(table, "rt", newline="") as lines:
            rows = list(csv.DictReader(lines))
        names = list(rows[0])[: list(rows[0]).index(PLACE[0])]
        rates = {each for each in names if each.startswith("lr")}
        self.rungs = tuple(sorted({int(row["step"]) for row in rows}))
        runs = _runs(rows, names, self.rungs, [objective.metric for objective in objectives])
        configurations = sorted(runs)
        self.candidates = [
            {
                each: value * moved if each in rates else _number(value)
                for each, value in zip(names, configuration, strict=True)
            }
            for configuration in configurations
        ]
        self.parameters = {
            each: {"type": "log-float", "low": values[0] * moved, "high": values[-1] * moved}
            if each in rates
            else {"type": "categorical", "choices": [_number(value) for value in values]}
            for each, values in zip(
                names, (sorted(set(column)) for column in zip(*configurations, strict=True)), strict=True
            )
        }
        self._nearest = Nearest(self.parameters, self.candidates)
        every = np.stack([run for configuration in configurations for run in runs[configuration]])
        worst = self._worst(every)
        self._curves = [
            [_curve(run, worst) for run in runs[configuration]] for configuration in configurations
        ]
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

    def _worst(self, every: Floats) -> Floats:
        """Worst values at each rung over all runs; shape [rungs, objectives]."""
        costs = self.minimised(every[:, :, : len(self.objectives)])
        return self.minimised(np.nanmax(np.where(np.isfinite(costs), costs, np.nan), axis=0))


def _number(value: float) -> float | int:
    return int(value) if value.is_integer() else value


def _runs(
    rows: Sequence[Row], names: Sequence[str], steps: tuple[int, ...], metrics: Sequence[str]
) -> dict[Configuration, list[Floats]]:
    """The recorded runs of each configuration, in the order of seeds; each [rungs, objectives + 2]."""
    measures = (*metrics, *SECONDS)
    runs: defaultdict[Configuration, defaultdict[int, Floats]] = defaultdict(
        lambda: defaultdict(lambda: np.full((len(steps), len(measures)), np.nan))
    )
    for row in rows:
        configuration = tuple(float(row[name]) for name in names)
        runs[configuration][int(row["seed"])][steps.index(int(row["step"]))] = [
            float(row[name]) for name in measures
        ]
    return {configuration: [run for _, run in sorted(seeds.items())] for configuration, seeds in runs.items()}


def _curve(run: Floats, worst: Floats) -> Curve:
    """One run; what it did not reach costs nothing."""
    values = np.where(np.isfinite(run[:, :-2]), run[:, :-2], worst)
    train, evaluation = np.nan_to_num(run[:, -2:]).T
    return Curve(values=values, train_costs=train, eval_costs=evaluation)
