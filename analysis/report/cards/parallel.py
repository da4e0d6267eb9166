"""All parameters and objectives at once: a line per trial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from analysis.report.card import Findings, card
from analysis.report.chart import Dimension, ParallelChart, Plot, Table
from analysis.report.context import Context, value
from analysis.report.groups import MOST, is_number
from analysis.report.words import MOST_ROWS, cut, trial_row
from search import wording
from search.record import TrialState

_HINT = "Drag along an axis to show only the trials that pass there."


@card(
    "parallel",
    "Parallel coordinates",
    90,
    read=(
        "One line for each trial, through its settings and its results. Follow lines of one colour to see "
        "which settings they share."
    ),
)
class Parallel:
    """Lines through the parameters and objectives of each trial."""

    def applies(self, context: Context) -> str | None:
        """With two trials that have every parameter and objective."""
        if not context.parameters:
            return "No parameter varies."
        return None if len(_usable(context)) > 1 else "Fewer than two trials have every objective measured."

    def compute(self, context: Context) -> Findings:
        """Trials by their last measurement, coloured by what they keep, or by the first objective."""
        trials = _usable(context)
        metrics = [objective.metric for objective in context.objectives]
        colour = context.kept if context.kept in metrics and context.kept else metrics[0]
        names = [name for name in context.parameters if all(name in t.proposed.sampled for t in trials)]
        dimensions = [_parameter(name, [t.proposed.sampled[name] for t in trials]) for name in names]
        dimensions += [_objective(name, [value(trial, name) for trial in trials]) for name in metrics]
        chart = ParallelChart(tuple(dimensions), tuple(value(trial, colour) for trial in trials), colour)
        axes = ", ".join([*names, *metrics])
        alt = f"Parallel coordinates of {len(trials)} trials over {axes}, coloured by {colour}."
        table = Table(
            ("trial", "parameters", *metrics, "ended"),
            tuple(trial_row(context, trial, metrics) for trial in trials[:MOST_ROWS]),
            f"Last measurement of each trial.{cut(len(trials))}",
        )
        return Findings(
            data={"trials": len(trials), "axes": [*names, *metrics], "colour": colour},
            texts=(f"{wording.plural(len(trials), 'trial')}, coloured by {colour}.",),
            notes=("Trials are shown by their last measurement, at any budget.",),
            plots=(Plot("parallel", "Parameters and objectives", alt, (chart,), table=table, hint=_HINT),),
        )


def _usable(context: Context) -> list[TrialState]:
    return [
        trial
        for trial in context.trials
        if all(math.isfinite(value(trial, objective.metric)) for objective in context.objectives)
    ]


def _parameter(name: str, values: Sequence[Any]) -> Dimension:
    distinct = list(dict.fromkeys(values))
    if not all(map(is_number, distinct)):
        labels = sorted({wording.scalar(value) for value in distinct})
        places = {label: float(index) for index, label in enumerate(labels)}
        points = tuple(places[wording.scalar(value)] for value in values)
        return Dimension(name, points, tuple(places.values()), tuple(labels))
    low, high = min(distinct), max(distinct)
    if low > 0 and high / low >= 10:
        scaled = tuple(math.log10(value) for value in values)
        if len(distinct) <= MOST:
            ticks = sorted(distinct)
        else:
            ticks = [
                10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)
            ]
        return Dimension(
            f"{name} (log)", scaled, tuple(map(math.log10, ticks)), tuple(map(wording.scalar, ticks))
        )
    ticks = sorted(distinct) if len(distinct) <= MOST else _even(low, high)
    return Dimension(
        name, tuple(map(float, values)), tuple(map(float, ticks)), tuple(map(wording.scalar, ticks))
    )


def _objective(name: str, values: Sequence[float]) -> Dimension:
    ticks = _even(min(values), max(values))
    return Dimension(name, tuple(values), tuple(ticks), tuple(map(wording.number, ticks)))


def _even(low: float, high: float) -> list[float]:
    return [low + (high - low) * index / 4 for index in range(5)] if high > low else [low]
