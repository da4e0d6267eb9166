"""Learning curves by rung, and where trials were stopped."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Plot, Rule, Series, Table, Value, XYChart
from analysis.report.context import Context, base_value
from analysis.report.look import BASE, Look, ended
from analysis.report.words import ending, number
from search.judging.rungs import is_by_trial, place
from search.record import RungReached, TrialState

_MOST_POINTS = 12_000
"""Of all curves together; more cannot be distinguished in a picture, and make the page slow."""

_MANY = 60


@card(
    "curves",
    "Learning curves",
    60,
    read=("One line for each trial, from left to right as it trains; a mark shows where it ended."),
)
class Curves:
    """The training loss step by step, and what was measured at each rung."""

    def applies(self, context: Context) -> str | None:
        """With a rung reached."""
        return None if any(trial.rungs for trial in context.trials) else "No trial has reached a rung."

    def compute(self, context: Context) -> Findings:
        """A line per trial, by how it ended; a mark where it ended."""
        plots = []
        if any(rung.curve for trial in context.trials for rung in trial.rungs):
            plots.append(_plot(context, None))
        names = dict.fromkeys([*context.compared, context.loss])
        plots += [_plot(context, name) for name in names if _measured(context, name)]
        early = [t for t in context.trials if t.last and t.status not in ("completed", "running")]
        early.sort(key=lambda trial: len(trial.rungs))
        stopped = Counter(trial.last.step for trial in early if trial.last)
        places = Counter(place(context.state, trial) for trial in early)
        where = ", ".join(f"{count:,} at {name}" for name, count in places.items())
        return Findings(
            data={"ended_early_by_step": {str(step): count for step, count in sorted(stopped.items())}},
            texts=(
                "Lines end at the last rung that a trial reached; a mark shows where it ended. Ended "
                f"before the full budget: {where or 'none'}.",
            ),
            notes=("A curve shows the loss on training batches, so it also varies with the batches.",),
            plots=tuple(plots),
        )


def _measured(context: Context, name: str) -> bool:
    """Whether at two rungs at least: one alone is no curve."""
    rungs = [rung for trial in context.trials for rung in trial.rungs]
    return len({rung.rung for rung in rungs if math.isfinite(rung.metrics.get(name, math.nan))}) > 1


def _plot(context: Context, metric: str | None) -> Plot:
    groups: dict[str, list[TrialState]] = {}
    for trial in context.trials:
        if trial.rungs:
            groups.setdefault(ending(context, trial), []).append(trial)
    count = sum(len(trials) for trials in groups.values())
    each = max(2, _MOST_POINTS // max(1, count))
    series: list[Series] = []
    for name, trials in groups.items():
        lines = [_line(trial, metric, each) for trial in trials]
        look = replace(
            ended(trials[0].status, context.cause(trials[0])), width=1.6 if count <= _MANY else 0.6
        )
        series.append(_joined(name, trials, lines, look, quiet=True, ends=False))
        series.append(_joined(name, trials, lines, look, quiet=False, ends=True))
    label = "training loss" if metric is None else metric
    base = math.nan if metric is None else base_value(context, metric)
    rules = () if math.isnan(base) else (Rule("base model", base, "y", BASE),)
    chart = XYChart(Axis("optimizer steps", low=0), Axis(label), tuple(series), rules)
    title = "Training loss step by step" if metric is None else f"{metric} by rung"
    alt = f"{title}: {count} lines, by how the trial ended ({', '.join(groups)})."
    return Plot(f"curves-{metric or 'training'}", title, alt, (chart,), table=_table(context, metric))


def _joined(
    name: str,
    trials: list[TrialState],
    lines: list[list[tuple[float, float]]],
    look: Look,
    quiet: bool,
    ends: bool,
) -> Series:
    """All lines of a group as one, with gaps between: thousands of separate ones would be slow."""
    x: list[Value] = []
    y: list[Value] = []
    text: list[str] = []
    for trial, line in zip(trials, lines, strict=True):
        points = line[-1:] if ends else line
        x += [point[0] for point in points]
        y += [point[1] for point in points]
        text += [f"trial {trial.number}"] * len(points)
        if not ends:
            x.append(None)
            y.append(None)
            text.append("")
    return Series(name, x, y, look, "points" if ends else "line", text=text, quiet=quiet)


def _line(trial: TrialState, metric: str | None, most: int) -> list[tuple[float, float]]:
    points = [
        (float(step), value)
        for rung in trial.rungs
        for step, value in (rung.curve if metric is None else _value(rung, metric))
        if math.isfinite(value)
    ]
    if len(points) <= most:
        return points
    # The last point stays: it is where the trial ended.
    return [points[round(index * (len(points) - 1) / (most - 1))] for index in range(most)]


def _value(rung: RungReached, metric: str) -> list[tuple[int, float]]:
    return [(rung.step, rung.metrics.get(metric, math.nan))]


def _table(context: Context, metric: str | None) -> Table:
    names = [metric or context.loss]
    by_trial = is_by_trial(context.state)
    places: dict[int, list[RungReached]] = {}
    for trial in context.trials:
        for rung in filter(lambda rung: rung.measured, trial.rungs):
            places.setdefault(rung.rung + 1 if by_trial else rung.step, []).append(rung)
    rows = []
    for step, rungs in sorted(places.items()):
        losses = sorted(v for rung in rungs if math.isfinite(v := rung.metrics.get(names[0], math.nan)))
        if losses:
            middle = losses[len(losses) // 2]
            rows.append(
                (f"{step:,}", f"{len(rungs):,}", number(losses[0]), number(middle), number(losses[-1]))
            )
    caption = f"{names[0]} of the trials that were measured at each rung."
    return Table(("rung" if by_trial else "step", "trials", "least", "median", "most"), tuple(rows), caption)
