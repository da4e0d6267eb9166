"""Heatmaps over any two parameters, for every objective."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from analysis.report.card import Findings, card
from analysis.report.chart import Chart, HeatmapChart, Menu, Plot, Table
from analysis.report.context import Context, value
from analysis.report.groups import Group, by
from analysis.report.statistics import mean
from analysis.report.words import MOST_ROWS, cut, estimated
from search import wording
from search.record import TrialState

_MOST_PARAMETERS, _MOST_METRICS = 6, 6
_MOST_GROUPS = 12
"""Rows or columns; of more values, neighbouring ones share one."""
_WHICH = ("at the full budget", "last measurement of every trial")


@card(
    "heatmaps",
    "Heatmaps",
    40,
    read="Each cell is a pair of settings; bright is better, and empty cells were not tried.",
)
class Heatmaps:
    """Mean of a metric over trials in each cell."""

    def applies(self, context: Context) -> str | None:
        """With two parameters that vary and something measured."""
        if len(context.parameters) < 2:
            return "Fewer than two parameters vary."
        if not context.shown_metrics:
            return "Nothing was measured."
        return None

    def compute(self, context: Context) -> Findings:
        """Every pair of parameters with every metric, at the full budget and over all trials."""
        names = sorted(context.parameters, key=lambda name: name not in ("lr", "rank"))[:_MOST_PARAMETERS]
        metrics = context.shown_metrics[:_MOST_METRICS]
        pairs = list(combinations(names, 2))
        pools = dict(zip(_WHICH, (context.completed, context.trials), strict=True))
        pools = {which: trials for which, trials in pools.items() if trials}
        variants: dict[tuple[int, ...], Chart] = {}
        maps = []
        for p, pair in enumerate(pairs):
            for w, (which, trials) in enumerate(pools.items()):
                grid = _grid(context, trials, *pair)
                maps.append({"trials": which} | _cells(grid, metrics, *pair))
                for m, metric in enumerate(metrics):
                    variants[m, p, w] = _chart(context, grid, metric, *pair)
        menus = (
            Menu("Metric", tuple(metrics)),
            Menu("Parameters", tuple(f"{x} and {y}" for x, y in pairs)),
            Menu("Trials", tuple(pools)),
        )
        objectives = [m for m, name in enumerate(metrics) if name in context.directions]
        first = tuple(variants[m, 0, 0] for m in objectives) or (variants[0, 0, 0],)
        x, y = pairs[0]
        used = next(iter(pools))
        plot = Plot(
            "heatmaps",
            "A metric over two parameters",
            f"Heatmaps of {', '.join(metrics[m] for m in objectives)} over {x} and {y}, trials {used}.",
            first,
            menus,
            variants,
            _table(context, next(iter(pools.values())), metrics, x, y),
            "Menus choose the metric, the two parameters and the trials.",
        )
        return Findings(
            data={
                "parameters": names,
                "metrics": metrics,
                "trials": {which: len(trials) for which, trials in pools.items()},
                "maps": maps,
            },
            texts=("Each cell is the mean over its trials, with their number if there are several.",),
            notes=(
                "A searcher tries promising places more often, and trials that were stopped early are "
                "missing from the full budget. Cells are a designed experiment only if the searcher is a "
                "grid.",
            ),
            plots=(plot,),
        )


class _Grid:
    """Trials by two parameters."""

    def __init__(self, columns: list[Group], rows: list[Group]) -> None:
        self.columns, self.rows = columns, rows
        where = {trial.number: index for index, group in enumerate(columns) for trial in group.trials}
        self.cells: list[list[list[TrialState]]] = [[[] for _ in columns] for _ in rows]
        for index, group in enumerate(rows):
            for trial in group.trials:
                if trial.number in where:
                    self.cells[index][where[trial.number]].append(trial)


def _grid(context: Context, trials: Sequence[TrialState], x: str, y: str) -> _Grid:
    return _Grid(*(by(trials, name, _MOST_GROUPS, context.parameters[name]) for name in (x, y)))


def _known(cell: Sequence[TrialState], metric: str) -> list[float]:
    return [measured for trial in cell if math.isfinite(measured := value(trial, metric))]


def _average(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _cells(grid: _Grid, metrics: Sequence[str], x: str, y: str) -> dict[str, Any]:
    """The means of a map as data, by row and column, with the number of trials that each is over."""
    cells = {name: [[_known(cell, name) for cell in row] for row in grid.cells] for name in metrics}
    return {
        "x": x,
        "y": y,
        "columns": [group.label for group in grid.columns],
        "rows": [group.label for group in grid.rows],
        "means": {
            name: [[_average(numbers) for numbers in row] for row in rows] for name, rows in cells.items()
        },
        "n": {name: [[len(numbers) for numbers in row] for row in rows] for name, rows in cells.items()},
    }


def _chart(context: Context, grid: _Grid, metric: str, x: str, y: str) -> HeatmapChart:
    z, texts = [], []
    for row in grid.cells:
        numbers = [_known(cell, metric) for cell in row]
        means = [_average(cell) for cell in numbers]
        z.append(tuple(means))
        texts.append(
            tuple(
                "" if middle is None else _cell(middle, len(cell))
                for middle, cell in zip(means, numbers, strict=True)
            )
        )
    less = context.less_is_better(metric)
    columns, rows = (tuple(group.label for group in groups) for groups in (grid.columns, grid.rows))
    return HeatmapChart(x, y, metric, columns, rows, tuple(z), tuple(texts), less, metric)


def _cell(middle: float, count: int) -> str:
    text = wording.number(middle, 2)
    return text if count == 1 else f"{text} ({count})"


def _table(context: Context, trials: Sequence[TrialState], metrics: Sequence[str], x: str, y: str) -> Table:
    grid = _grid(context, trials, x, y)
    rows = []
    for group, cells in zip(grid.rows, grid.cells, strict=True):
        for column, cell in zip(grid.columns, cells, strict=True):
            if cell:
                values = (estimated(mean([value(trial, name) for trial in cell])) for name in metrics)
                rows.append((column.label, group.label, *values))
    caption = f"Means by {x} and {y}, with 95% intervals over trials.{cut(len(rows))}"
    return Table((x, y, *metrics), tuple(rows[:MOST_ROWS]), caption)
