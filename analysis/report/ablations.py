"""Metrics that are measured with adapters switched off: how they are named, and how they are drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from analysis.report.chart import Axis, Chart, Menu, Plot
from analysis.report.context import Context, value
from analysis.report.look import BLUE, ORANGE, VERMILION, Look
from analysis.report.statistics import Estimate
from analysis.report.sweeps import (
    Line,
    Setting,
    Sweep,
    baseline_values,
    chart,
    estimate_at,
    measured_at,
    rules,
    settings,
    sweep,
    table,
)
from search import wording

ABLATIONS = {
    "both": "both adapters on",
    "bad_off": "bad adapter off",
    "good_off": "good adapter off",
}
"""Suffix of a metric, and what was switched off when it was measured."""

SPOKEN = {
    "both": "with both adapters on",
    "bad_off": "with the bad one off",
    "good_off": "with the good one off",
}

LOOKS = {
    "both": Look(ORANGE, "square", "dash", size=9),
    "bad_off": Look(BLUE, "circle", "solid", size=9),
    "good_off": Look(VERMILION, "triangle-up", "dot", size=9),
}

_SWEPT = {
    "labelled": "share of the examples with the behaviour that are labelled",
    "false_labels": "share of the examples without the behaviour that are labelled",
}


def names(stem: str) -> dict[str, str]:
    """A metric's name under each ablation."""
    return {ablation: f"{stem}_{ablation}" for ablation in ABLATIONS}


def measured(context: Context, stem: str) -> bool:
    """Whether a trial has the metric under an ablation."""
    return any(
        math.isfinite(value(trial, metric)) for trial in context.completed for metric in names(stem).values()
    )


def swept(context: Context) -> Sweep:
    """The shares of labels that vary, those that are missing before those that are wrong."""
    for name, title in _SWEPT.items():
        if (over := sweep(context, name, title)).name is not None:
            return over
    return Sweep()


def ablation_plot(
    context: Context,
    over: Sweep,
    name: str,
    title: str,
    y: Axis,
    stems: Mapping[str, str],
    alt: str,
) -> Plot:
    """A line for each ablation, with the baselines across; the reader chooses the setting and the stem.

    Args:
        context: The search.
        over: What the lines go over.
        name: Of the plot.
        title: Of the plot.
        y: The vertical axis.
        stems: What is shown, by the metric's stem.
        alt: What the plot shows.
    """
    each, charts = settings(context, over), {}
    for (i, setting), (j, (stem, shown)) in product(enumerate(each), enumerate(stems.items())):
        across = rules(context, *names(stem).values())
        charts[i, j] = replace(chart(context, setting, over, lines(stem), y, across), title=shown)
    first = next(iter(stems))
    columns = {ABLATIONS[ablation]: metric for ablation, metric in names(first).items()}
    behind = table(context, each[0], over, columns, f"{y.title.capitalize()}, {stems[first]}.")
    menus, variants = _menus(each, list(stems.values()), charts)
    pictures = tuple(charts[0, j] for j in range(len(stems)))
    return Plot(name, title, alt, pictures, menus, variants, behind)


def lines(stem: str) -> list[Line]:
    """A line for each ablation."""
    return [Line(ABLATIONS[each], metric, LOOKS[each]) for each, metric in names(stem).items()]


def _menus(
    each: Sequence[Setting], axes: Sequence[str], charts: Mapping[tuple[int, int], Chart]
) -> tuple[tuple[Menu, ...], dict[tuple[int, ...], Chart]]:
    """Menus of what there is a choice of."""
    choices = (("Setting", [setting.label for setting in each]), ("Shown", list(axes)))
    kept = [place for place, (_, options) in enumerate(choices) if len(options) > 1]
    menus = tuple(Menu(choices[place][0], tuple(choices[place][1])) for place in kept)
    variants = {tuple(key[place] for place in kept): chart for key, chart in charts.items()}
    return menus, variants if menus else {}


def numbers(context: Context, over: Sweep, setting: Setting, stem: str) -> dict[str, Any]:
    """The means under each ablation at each place, as plain data."""
    return {
        over.label(at): {
            each: estimate.data() for each, estimate in _estimates(context, over, setting, stem, at).items()
        }
        for at in over.values
    }


def sentences(
    context: Context,
    over: Sweep,
    setting: Setting,
    stem: str,
    what: str,
    write: Callable[[Estimate], str],
) -> tuple[str, ...]:
    """The means under each ablation with most and with fewest labels, and the baselines', in words."""
    lines = []
    for at in dict.fromkeys((over.values[-1], over.values[0])):
        estimates = _estimates(context, over, setting, stem, at)
        if estimates:
            parts = [f"{write(estimate)} {SPOKEN[name]}" for name, estimate in estimates.items()]
            count = wording.plural(len(measured_at(setting, over, f"{stem}_bad_off", at)), "trial")
            lines.append(f"{what} at {over.label(at)} ({setting.label}, {count}): {', '.join(parts)}.")
    values = baseline_values(context, *names(stem).values())
    if values:
        compared = [f"{name} {write(Estimate(value, None, None, 1))}" for name, value in values.items()]
        lines.append(f"For comparison: {', '.join(compared)}.")
    return tuple(lines)


def _estimates(context: Context, over: Sweep, setting: Setting, stem: str, at: float) -> dict[str, Estimate]:
    estimates = {
        each: estimate_at(context, setting, over, metric, at) for each, metric in names(stem).items()
    }
    return {each: estimate for each, estimate in estimates.items() if not math.isnan(estimate.value)}
