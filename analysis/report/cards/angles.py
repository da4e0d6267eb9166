"""Whether two updates are orthogonal, and whether that is more than chance."""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.report.ablations import swept
from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Chart, Menu, Plot, Rule
from analysis.report.context import Context, value
from analysis.report.look import BLUE, GREEN, GREY, ORANGE, PURPLE, Look
from analysis.report.sweeps import SEEDS, Line, Setting, Sweep, chart, estimate_at, has, settings, table
from search import wording

_COSINE = "update_cosine"


@dataclass(frozen=True)
class _View:
    """A plot: what was measured, and what it is compared with."""

    name: str
    title: str
    y: str
    lines: tuple[Line, ...]
    references: tuple[Line, ...]

    @property
    def columns(self) -> dict[str, str]:
        """Of the table behind it: metric by header."""
        return {line.name: line.metric for line in (*self.lines, *self.references)}


_VIEWS = (
    _View(
        "updates",
        "Cosine of the two updates",
        "absolute cosine",
        (Line("updates", _COSINE, Look(GREEN, "diamond", "solid", size=9)),),
        (Line("random updates", f"{_COSINE}_floor", Look(GREY, dash="dot")),),
    ),
    _View(
        "subspaces",
        "Principal angles of their subspaces",
        "mean squared cosine",
        (
            Line("column spaces (B)", "column_cosine2", Look(BLUE, "circle", "solid", size=9)),
            Line("row spaces (A)", "row_cosine2", Look(ORANGE, "square", "dash", size=9)),
        ),
        (
            Line("random column spaces", "column_cosine2_floor", Look(BLUE, dash="dot")),
            Line("random row spaces", "row_cosine2_floor", Look(ORANGE, dash="dot")),
            Line("row spaces before training", "row_cosine2_initial", Look(PURPLE, dash="dashdot")),
        ),
    ),
)


@card(
    "angles",
    "Are the two updates orthogonal?",
    14,
    read=(
        "0 is orthogonal, 1 is parallel. Random updates are nearly orthogonal too: only a difference to "
        "chance, or to trials without labels, says something about training."
    ),
)
class Angles:
    """Cosines between two adapters' updates over the labelled share, beside chance."""

    def applies(self, context: Context) -> str | None:
        """Where the angles were measured."""
        if any(math.isfinite(value(trial, _COSINE)) for trial in context.completed):
            return None
        return "No completed trial has the angles between two adapters' updates measured."

    def compute(self, context: Context) -> Findings:
        """Means over layers by the labelled share."""
        over = swept(context)
        each = [setting for setting in settings(context, over) if has(setting, [_COSINE])]
        columns = {metric for view in _VIEWS for metric in view.columns.values()}
        return Findings(
            data={
                over.label(at): {
                    metric: estimate_at(context, each[0], over, metric, at).data()
                    for metric in sorted(columns)
                }
                for at in over.values
            },
            texts=tuple(_sentence(context, over, each[0], view) for view in _VIEWS),
            notes=(
                "Chance: two random subspaces of ranks r1 and r2 in d dimensions have a mean squared "
                "cosine of max(r1, r2) / d; two random updates have a cosine of 1 / sqrt(in * out), root "
                "mean square. B begins at zero, so that column spaces have no value before training; A "
                "begins at random.",
                SEEDS,
            ),
            plots=tuple(_plot(context, over, each, view) for view in _VIEWS),
        )


def _plot(context: Context, over: Sweep, each: list[Setting], view: _View) -> Plot:
    charts: dict[tuple[int, ...], Chart] = {}
    for index, setting in enumerate(each):
        across = _rules(context, setting, view)
        charts[index,] = chart(context, setting, over, view.lines, Axis(view.y), across)
    menus = (Menu("Setting", tuple(setting.label for setting in each)),) if len(each) > 1 else ()
    behind = table(context, each[0], over, view.columns, f"{view.title}: means over layers.")
    alt = f"{view.title}. {_sentence(context, over, each[0], view)}"
    return Plot(view.name, view.title, alt, (charts[0,],), menus, charts if menus else {}, behind)


def _rules(context: Context, setting: Setting, view: _View) -> list[Rule]:
    """Means over the setting's trials: chance depends on ranks and layers alone."""
    lines = []
    for line in view.references:
        known = [v for trial in setting.trials if math.isfinite(v := value(trial, line.metric))]
        if known:
            lines.append(Rule(line.name, sum(known) / len(known), "y", line.look))
    return lines


def _sentence(context: Context, over: Sweep, setting: Setting, view: _View) -> str:
    """The means with most and with fewest labels, and what chance gives, in words."""
    places = []
    for at in dict.fromkeys((over.values[-1], over.values[0])):
        means = [(line.name, estimate_at(context, setting, over, line.metric, at)) for line in view.lines]
        parts = [f"{name} {wording.number(mean.value)}" for name, mean in means if mean.n]
        if parts:
            places.append(f"{over.label(at)}: {', '.join(parts)}")
    chance = [f"{rule.name} {wording.number(rule.value)}" for rule in _rules(context, setting, view)]
    compared = f" For comparison: {', '.join(chance)}." if chance else ""
    return f"{view.y.capitalize()} ({setting.label}). {'; '.join(places)}.{compared}"
