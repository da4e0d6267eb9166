"""How good the front was by when: hypervolume over time and over cost."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

import moocore
import numpy as np
from numpy.typing import NDArray

from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Plot, Series, Table, XYChart
from analysis.report.clock import Clock, unit
from analysis.report.context import Context
from analysis.report.look import FRONT, GREEN, Look
from analysis.report.words import MOST_ROWS, cut, number
from search import wording
from search.judging.constraints import keeps_constraints
from search.judging.objectives import costs_of, is_measured, metrics_of
from search.record import TrialState

_MARGIN = 0.1
_KEEPS = Look(GREEN, "square", "dash")


@card(
    "progress",
    "Progress of the search",
    70,
    read=(
        "The higher the line, the better the trials so far. If the line still rises at the end, more "
        "trials would help."
    ),
)
class Progress:
    """Hypervolume of the completed trials; with one objective, the best value so far."""

    def applies(self, context: Context) -> str | None:
        """With a completed trial."""
        return None if _finished(context) else "No trial completed with every objective measured."

    def compute(self, context: Context) -> Findings:
        """Over working time, and over the time that trials took on workers."""
        trials = _finished(context)
        clock, spent = Clock(context.state), _Spent(context)
        times = [trial.finished.time if trial.finished else math.nan for trial in trials]
        hours, costs = [clock.hours(time) for time in times], [spent.hours(time) for time in times]
        several = len(context.objectives) > 1
        label = "hypervolume" if several else f"best {context.objectives[0].metric}"
        measure = _hypervolumes if several else _best
        every, keeping = measure(context, trials, False), measure(context, trials, True)
        table = _table(context, trials, hours, costs, every, label)
        plots = tuple(
            Plot(
                f"progress-{name}",
                f"{label[0].upper()}{label[1:]} over {title}",
                f"{label} over {title}, a step at each completed trial; at the end {number(every[-1])}.",
                (_chart(context, x, every, keeping, trials, title, label, end),),
                table=table if name == "time" else None,
            )
            for name, title, x, end in (
                ("time", "working time", hours, clock.hours(context.state.last_time)),
                ("cost", "time of trials on workers", costs, spent.hours(context.state.last_time)),
            )
        )
        when = next(index for index, value in enumerate(every) if _as_good(value, every[-1]))
        share = f"{hours[when] / hours[-1]:.0%} of the working time" if hours[-1] else "no time"
        return Findings(
            data={
                "measure": label,
                "trials": [t.number for t in trials],
                "hours": hours,
                "worker_hours": costs,
            }
            | {"values": every, "values_of_trials_that_keep_constraints": keeping},
            texts=(
                f"The final {label}, {number(every[-1])}, was reached to within 1% with trial "
                f"{trials[when].number}, after {share} up to the last completed trial.",
            ),
            notes=(_note(context),) if several else (),
            plots=plots,
        )


def _finished(context: Context) -> list[TrialState]:
    """Completed trials with every objective, in the order in which they completed."""
    usable = [t for t in context.completed if is_measured(context.objectives, metrics_of(t))]
    return sorted(usable, key=lambda t: (t.finished.time if t.finished else math.inf, t.number))


class _Spent:
    """Hours in training and evaluation, over all trials and repetitions, by when they were recorded."""

    def __init__(self, context: Context) -> None:
        rungs = sorted(
            (rung.time, rung.train_seconds + rung.eval_seconds)
            for trial in context.state.trials.values()
            for rung in trial.rungs
        )
        self._times = [time for time, _ in rungs]
        self._sums = np.cumsum([0.0, *(seconds for _, seconds in rungs)])

    def hours(self, time: float) -> float:
        return float(self._sums[bisect_right(self._times, time)]) / 3600


def _box(context: Context) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Best and worst value of each objective, less being better, over completed trials and the base model."""
    costs = [costs_of(context.objectives, metrics_of(trial)) for trial in _finished(context)]
    if context.base is not None and is_measured(context.objectives, context.base.metrics):
        costs.append(costs_of(context.objectives, context.base.metrics))
    return np.min(costs, axis=0), np.max(costs, axis=0)


def _hypervolumes(context: Context, trials: Sequence[TrialState], keeping: bool) -> list[float]:
    """After each trial; as a share of the box between the best values and the reference point."""
    best, worst = _box(context)
    scale = np.where(worst > best, worst - best, 1.0)
    reference = np.full(len(best), 1 + _MARGIN)
    kept = np.empty((0, len(best)))
    volumes: list[float] = []
    for trial in trials:
        point = (np.array(costs_of(context.objectives, metrics_of(trial))) - best) / scale
        counts = not keeping or keeps_constraints(context.objectives, metrics_of(trial))
        if counts and not (kept <= point).all(axis=1).any():
            kept = np.vstack([kept[~(point <= kept).all(axis=1)], point])
            volumes.append(float(moocore.hypervolume(kept, ref=reference) / (1 + _MARGIN) ** len(best)))
        else:
            volumes.append(volumes[-1] if volumes else 0.0)
    return volumes


def _best(context: Context, trials: Sequence[TrialState], keeping: bool) -> list[float]:
    """The best value of the only objective after each trial; NaN before the first that counts."""
    objective = context.objectives[0]
    best, values = math.nan, []
    for trial in trials:
        value = metrics_of(trial)[objective.metric]
        counts = not keeping or keeps_constraints(context.objectives, metrics_of(trial))
        if counts and not objective.cost(value) >= objective.cost(best):
            best = value
        values.append(best)
    return values


def _as_good(value: float, last: float) -> bool:
    return abs(value - last) <= 0.01 * abs(last)


def _chart(
    context: Context,
    x: Sequence[float],
    every: Sequence[float],
    keeping: Sequence[float],
    trials: Sequence[TrialState],
    title: str,
    label: str,
    end: float,
) -> XYChart:
    text = [f"after trial {t.number}: {number(value)}" for t, value in zip(trials, every, strict=True)]
    name, factor = unit(end)
    at = [place * factor for place in (*x, end)]
    series = [Series("all completed trials", at, [*every, every[-1]], FRONT, "steps", text=[*text, "end"])]
    if keeping != every:
        series.append(
            Series("those that keep every constraint", at, [*keeping, keeping[-1]], _KEEPS, "steps")
        )
    low = 0.0 if len(context.objectives) > 1 else None
    return XYChart(Axis(f"{title}, {name}", low=0), Axis(label, low=low), tuple(series))


def _table(
    context: Context,
    trials: Sequence[TrialState],
    hours: Sequence[float],
    costs: Sequence[float],
    values: Sequence[float],
    label: str,
) -> Table:
    rows = []
    before = math.nan
    for trial, at, spent, value in zip(trials, hours, costs, values, strict=True):
        if value != before:
            clock = wording.duration(at * 3600)
            rows.append((str(trial.number), clock, wording.duration(spent * 3600), number(value)))
        before = value
    caption = f"Trials that improved it.{cut(len(rows))}"
    return Table(("trial", "working time", "time on workers", label), tuple(rows[:MOST_ROWS]), caption)


def _note(context: Context) -> str:
    best, worst = _box(context)
    ends = []
    for objective, low, high in zip(context.objectives, best, worst, strict=True):
        far = high + _MARGIN * ((high - low) or 1.0)
        ends.append(f"{objective.metric} {number(objective.cost(float(far)))}")
    return (
        "Hypervolume is the share that the front dominates of the box between the best measured values and "
        f"the reference point ({', '.join(ends)}: the worst among completed trials and the base model, and "
        "a tenth of the range beyond). It compares moments of this search with each other, but not "
        "different searches."
    )
