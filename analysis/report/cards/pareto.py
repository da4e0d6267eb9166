"""The Pareto front, with intervals, the base model and the trials that are dominated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations, cycle
from typing import Literal

from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Menu, Plot, Rule, Series, Table, XYChart
from analysis.report.context import Context, interval, value
from analysis.report.look import BASELINES, BEST, DOMINATED, FLOOR, FRONT, Look
from analysis.report.words import MOST_ROWS, cut, trial_line, trial_row
from search import wording
from search.config.schema import ObjectiveConfig
from search.judging.constraints import bound_name, bound_of
from search.judging.objectives import is_measured, metrics_of
from search.record import TrialState


@card(
    "pareto",
    "Pareto front",
    10,
    read=(
        "Each mark is a trial: one training run with its own settings. A mark is on the front if no other "
        "trial is better in one objective without being worse in another; choose among these."
    ),
)
class Pareto:
    """Which trials no other trial beats in every objective."""

    def applies(self, context: Context) -> str | None:
        """With two objectives and a completed trial."""
        if len(context.objectives) < 2:
            return "The search has one objective: the best trial is the whole front."
        if not context.front:
            return "No trial completed with every objective measured."
        return None

    def compute(self, context: Context) -> Findings:
        """Every pair of objectives."""
        pairs = list(combinations(context.objectives, 2))
        charts = tuple(_chart(context, x, y) for x, y in pairs)
        names = [objective.metric for objective in context.objectives]
        front = [context.state.trials[optimal.number] for optimal in context.front]
        kept = sum(optimal.feasible for optimal in context.front)
        words = f"{len(front)} of {wording.plural(len(context.completed), 'completed trial')}"
        kept_words = (
            f"; the measured values of {kept} of them keep every constraint"
            if any(bound_of(objective) is not None for objective in context.objectives)
            else ""
        )
        table = Table(
            ("trial", "parameters", *names, "ended"),
            tuple(trial_row(context, trial, names) for trial in front[:MOST_ROWS]),
            f"The front, trials that keep every constraint first.{cut(len(front))}",
            printed=True,
        )
        plot = Plot(
            "front",
            "Objectives against each other",
            f"Scatter of {' against '.join(names)}: {words} form the Pareto front.",
            charts,
            (Menu("Objectives", tuple(f"{x.metric} and {y.metric}" for x, y in pairs)),)
            if len(pairs) > 1
            else (),
            {(index,): chart for index, chart in enumerate(charts)} if len(pairs) > 1 else {},
            table,
        )
        return Findings(
            data={
                "front": [
                    {"trial": optimal.number, "feasible": optimal.feasible} for optimal in context.front
                ]
            },
            texts=(
                f"{words} are Pareto-optimal: no other is as good in every objective and better in one"
                f"{kept_words}.",
            ),
            notes=(_note(context),),
            plots=(plot,),
        )


def _note(context: Context) -> str:
    samples = " and ".join(context.samples([objective.metric for objective in context.objectives]))
    note = (
        f"Bars are 95% intervals over the {samples}, within one training run; another seed adds more "
        "variation. If bars overlap, the order of two trials is not settled."
    )
    if context.relative is None:
        return note
    if context.skills:
        return (
            f"{note} That of {context.ratio} is Fieller's, paired with the base model's answers; guards and "
            "schedulers use it."
        )
    if context.relative.items:
        return f"{note} That of {context.ratio} is Fieller's, paired with the base model item by item."
    return f"{note} That of {context.ratio} takes the base model's value as known exactly."


def _chart(context: Context, x: ObjectiveConfig, y: ObjectiveConfig) -> XYChart:
    done = [trial for trial in context.completed if is_measured((x, y), metrics_of(trial))]
    best = context.recommended
    optimal = {optimal.number for optimal in context.front}
    front = sorted((t for t in done if t.number in optimal), key=lambda trial: value(trial, x.metric))
    rest = [trial for trial in done if trial.number not in optimal and trial.number != best]
    series = []
    if rest:
        series.append(_points(context, "dominated", rest, x, y, DOMINATED, whiskers=False))
    series.append(_points(context, "Pareto-optimal", front, x, y, FRONT))
    if best is not None and context.state.trials[best] in done:
        series.append(
            _points(context, f"recommended: trial {best}", [context.state.trials[best]], x, y, BEST)
        )
    series += _baselines(context, x, y)
    return XYChart(_axis(x), _axis(y), tuple(series), (*_bound(x, "x"), *_bound(y, "y")))


def _bound(objective: ObjectiveConfig, of: Literal["x", "y"]) -> list[Rule]:
    bound = bound_of(objective)
    name = f"{bound_name(objective)} of {objective.metric}"
    return [] if bound is None else [Rule(f"{name}, {bound:g}", bound, of, FLOOR)]


def _axis(objective: ObjectiveConfig) -> Axis:
    return Axis(f"{objective.metric} ({'less' if objective.direction == 'min' else 'more'} is better)")


def _points(
    context: Context,
    name: str,
    trials: Sequence[TrialState],
    x: ObjectiveConfig,
    y: ObjectiveConfig,
    look: Look,
    whiskers: bool = True,
) -> Series:
    across = [interval(trial, x.metric) for trial in trials] if whiskers else []
    along = [interval(trial, y.metric) for trial in trials] if whiskers else []
    return Series(
        name,
        [value(trial, x.metric) for trial in trials],
        [value(trial, y.metric) for trial in trials],
        look,
        x_low=[interval.low if interval else None for interval in across] or None,
        x_high=[interval.high if interval else None for interval in across] or None,
        low=[interval.low if interval else None for interval in along] or None,
        high=[interval.high if interval else None for interval in along] or None,
        text=[trial_line(context, trial, (x.metric, y.metric)) for trial in trials],
    )


def _baselines(context: Context, x: ObjectiveConfig, y: ObjectiveConfig) -> list[Series]:
    series = []
    for (name, baseline), look in zip(context.baselines.items(), cycle(BASELINES)):
        point = [baseline.metrics.get(objective.metric, math.nan) for objective in (x, y)]
        if all(map(math.isfinite, point)):
            text = "base model, not tuned" if baseline is context.base else name
            series.append(Series(name, point[:1], point[1:], look, text=[text]))
    return series
