"""Metrics over a parameter that is swept: lines through means over seeds, beside the baselines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Any

from analysis.report.chart import Axis, Rule, Series, Table, XYChart
from analysis.report.context import Context, interval, value
from analysis.report.groups import is_number
from analysis.report.look import BASELINES, Look
from analysis.report.statistics import Estimate, mean
from analysis.report.words import estimated, room, with_interval
from search import wording
from search.record import TrialState
from search.record.explained import metric_of

_MOST = 12
EVERY = "all settings"
_APART = 0.012
"""How far lines are drawn apart, as a share of the axis, so that their intervals do not hide each other."""
_MUCH = 0.3
"""From this share on, an axis of shares is the whole one."""

SEEDS = (
    "A filled mark is the mean over trials that differ in their seed alone, with its 95% interval over "
    "them (Student's t); hollow marks are the single trials. A setting that was trained once has the "
    "interval over its samples."
)


@dataclass(frozen=True)
class Sweep:
    """A parameter over which lines are drawn.

    Attributes:
        name: Of the parameter; None where it does not vary.
        title: Of the axis.
        values: Those that were tried, ascending; a single 0 stands for all trials where it does not vary.
    """

    name: str | None = None
    title: str = ""
    values: tuple[float, ...] = (0.0,)

    def at(self, trial: TrialState) -> float | None:
        """Where a trial stands; None if it does not have the parameter."""
        at: Any = 0.0 if self.name is None else trial.proposed.sampled.get(self.name)
        return float(at) if is_number(at) else None

    def label(self, at: float) -> str:
        """A place in words."""
        return "all trials" if self.name is None else f"{self.name} {wording.scalar(at)}"


@dataclass(frozen=True)
class Setting:
    """Completed trials that differ in the swept parameter and in the seed alone.

    Attributes:
        label: The other parameters in words; `EVERY` where they differ.
    """

    label: str
    trials: tuple[TrialState, ...]


@dataclass(frozen=True)
class Line:
    """A metric, its name in the legend, and how it is drawn."""

    name: str
    metric: str
    look: Look


def sweep(context: Context, name: str, title: str) -> Sweep:
    """Over a parameter if it is a number that varies; else over nothing."""
    values = context.parameters.get(name, [])
    if not values or not all(map(is_number, values)):
        return Sweep()
    return Sweep(name, title, tuple(sorted(map(float, values))))


def settings(context: Context, over: Sweep) -> list[Setting]:
    """That of the recommended trial first, then the others by number, and all together at the end.

    With more than a few, as a searcher over real numbers makes them, all together is the only one.
    """
    groups: dict[str, list[TrialState]] = {}
    for trial in context.completed:
        if over.at(trial) is not None:
            groups.setdefault(_others(context, trial, over), []).append(trial)
    best = context.recommended
    ordered = sorted(groups.items(), key=lambda group: all(trial.number != best for trial in group[1]))
    each = [Setting(label, tuple(trials)) for label, trials in ordered]
    if len(each) == 1:
        return each
    every = Setting(EVERY, tuple(trial for setting in each for trial in setting.trials))
    return [every] if len(each) > _MOST else [*each, every]


def _others(context: Context, trial: TrialState, over: Sweep) -> str:
    left = {
        name: value
        for name, value in trial.proposed.sampled.items()
        if name in context.parameters and name not in (over.name, "seed")
    }
    return wording.params(left) or "all trials"


def has(setting: Setting, metrics: Sequence[str]) -> bool:
    """Whether a trial of the setting has one of the metrics."""
    return any(math.isfinite(value(trial, metric)) for trial in setting.trials for metric in metrics)


def measured_at(setting: Setting, over: Sweep, metric: str, at: float) -> list[TrialState]:
    """The trials at a place that have the metric."""
    return [t for t in setting.trials if over.at(t) == at and math.isfinite(value(t, metric))]


def estimate_at(context: Context, setting: Setting, over: Sweep, metric: str, at: float) -> Estimate:
    """Mean of a metric at a place, with Student's interval over the trials; of one trial its own interval.

    It goes no further than the metric's values can.
    """
    trials = measured_at(setting, over, metric, at)
    if len(trials) == 1 and (around := interval(trials[0], metric)) is not None:
        return Estimate(value(trials[0], metric), around.low, around.high, around.n)
    middle = mean([value(trial, metric) for trial in trials])
    described = metric_of(context.trainable, metric)
    if described is None or middle.low is None or middle.high is None:
        return middle
    return replace(middle, low=max(described.low, middle.low), high=min(described.high, middle.high))


def chart(
    context: Context,
    setting: Setting,
    over: Sweep,
    lines: Sequence[Line],
    y: Axis,
    across: Sequence[Rule] = (),
) -> XYChart:
    """A mean with its interval and the single trials at each place, for each line."""
    width = over.values[-1] - over.values[0]
    series: list[Series] = []
    for index, line in enumerate(lines):
        shift = (index - (len(lines) - 1) / 2) * _APART * width
        series += _drawn(context, setting, over, line, shift)
    x = Axis("", "category", categories=tuple(line.name for line in lines))
    if over.name is not None:
        x = Axis(over.title, low=over.values[0] - 0.08 * width, high=over.values[-1] + 0.08 * width)
    known = [rule.value for rule in across] + [v for each in series for v in _values(each)]
    low, high = room(known)
    if y.share and max(known, default=0.0) > _MUCH:
        low, high = -0.02, 1.02
    return XYChart(x, replace(y, low=low, high=high), tuple(series), tuple(across))


def _values(series: Series) -> list[float]:
    known = [*series.y, *(series.low or ()), *(series.high or ())]
    return [value for value in known if isinstance(value, float) and math.isfinite(value)]


def _drawn(context: Context, setting: Setting, over: Sweep, line: Line, shift: float) -> list[Series]:
    at = [place for place in over.values if measured_at(setting, over, line.metric, place)]
    if not at:
        return []
    means = [estimate_at(context, setting, over, line.metric, place) for place in at]
    joined = Series(
        line.name,
        [line.name if over.name is None else place + shift for place in at],
        [mean.value for mean in means],
        line.look,
        "both",
        low=[mean.low for mean in means],
        high=[mean.high for mean in means],
        text=[
            f"{line.name}, {over.label(place)}: {estimated(each)}"
            for place, each in zip(at, means, strict=True)
        ],
    )
    single = [trial for place in at for trial in measured_at(setting, over, line.metric, place)]
    return [joined] if len(single) == len(at) else [_single(over, line, single, shift), joined]


def _single(over: Sweep, line: Line, trials: Sequence[TrialState], shift: float) -> Series:
    return Series(
        f"{line.name}, single trials",
        [line.name if over.name is None else (over.at(trial) or 0.0) + shift for trial in trials],
        [value(trial, line.metric) for trial in trials],
        replace(line.look, hollow=True, size=5.0, opacity=0.6),
        text=[
            f"trial {trial.number}, {wording.params(trial.proposed.sampled)}: {line.name} "
            f"{with_interval(value(trial, line.metric), interval(trial, line.metric))}"
            for trial in trials
        ],
        quiet=True,
    )


def table(
    context: Context,
    setting: Setting,
    over: Sweep,
    columns: dict[str, str],
    caption: str,
) -> Table:
    """The numbers behind the lines, a row for each place and each baseline.

    Args:
        context: The search.
        setting: Whose trials.
        over: What the lines go over.
        columns: Metric by header.
        caption: What the table holds.
    """
    rows = []
    for at in over.values:
        trials = sum(over.at(trial) == at for trial in setting.trials)
        means = [estimate_at(context, setting, over, metric, at) for metric in columns.values()]
        rows.append((over.label(at), str(trials), *map(estimated, means)))
    for name, baseline in context.baselines.items():
        cells = [
            with_interval(baseline.metrics.get(metric, math.nan), baseline.intervals.get(metric))
            for metric in columns.values()
        ]
        rows.append((name, "-", *cells))
    return Table(("", "trials", *columns), tuple(rows), f"{caption} Of {setting.label}.")


def baseline_values(context: Context, *metrics: str) -> dict[str, float]:
    """What each baseline has of the first of the metrics that it has, by its name in the report."""
    values = {}
    for name, baseline in context.baselines.items():
        known = [v for metric in metrics if math.isfinite(v := baseline.metrics.get(metric, math.nan))]
        if known:
            values[name] = known[0]
    return values


def rules(context: Context, *metrics: str) -> list[Rule]:
    """The same as lines across."""
    values = baseline_values(context, *metrics)
    looks = dict(zip(context.baselines, cycle(BASELINES)))
    return [Rule(name, value, "y", looks[name]) for name, value in values.items()]
