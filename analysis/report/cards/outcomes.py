"""Right, wrong, unparseable or leaking: what became of the answers."""

from __future__ import annotations

import math
from collections.abc import Mapping

from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Chart, Menu, Plot, Series, Table, XYChart
from analysis.report.context import Context
from analysis.report.groups import by_lr
from analysis.report.look import OUTCOME_LOOKS
from analysis.report.statistics import Estimate, mean_share
from analysis.report.words import asked_late, estimated, no_questions, with_interval
from search.judging.objectives import metrics_of
from search.record import TrialState

OUTCOMES = ("right", "wrong", "unparseable", "leaking")
_ALL = "all generated replies"
_BASE = "base model"


@card(
    "outcomes",
    "Outcomes of the answers",
    32,
    read="Each bar shows all replies at one learning rate, by outcome.",
)
class Outcomes:
    """Shares of the four outcomes by learning rate, beside the base model's."""

    def applies(self, context: Context) -> str | None:
        """Where outcomes were recorded."""
        if (none := no_questions(context)) is not None:
            return none
        if not _scopes(context):
            return (
                "The record contains no outcomes of generated answers (right, wrong, unparseable, leaking)."
            )
        return None

    def compute(self, context: Context) -> Findings:
        """A stacked bar for each learning rate, over all replies and for each skill."""
        scopes = _scopes(context)
        tables = {scope: _shares(context, names) for scope, names in scopes.items()}
        charts = {scope: _chart(shares) for scope, shares in tables.items()}
        first = next(iter(scopes))
        menus = (Menu("Questions", tuple(scopes)),) if len(scopes) > 1 else ()
        variants: dict[tuple[int, ...], Chart] = {
            (index,): chart for index, chart in enumerate(charts.values())
        }
        plot = Plot(
            "outcomes",
            "Outcomes by learning rate",
            f"Stacked bars of the outcomes of {first}. {_sentence(tables[first])}",
            (charts[first],),
            menus,
            variants if menus else {},
            _table(context, tables[first], scopes[first]),
        )
        return Findings(
            data={
                scope: {
                    group: {name: estimate.data() for name, estimate in row.items()}
                    for group, row in shares.items()
                }
                for scope, shares in tables.items()
            },
            texts=(_sentence(tables[first]),),
            notes=(
                "Wrong: an answer could be parsed and is not right. Leaking: no answer could be parsed, "
                "and the reply contains text of the training domain. Unparseable: no answer could be "
                "parsed for another reason. A model that has lost the format may still know the answer.",
                "The counts include trials at the full budget, and trials that were ended because they "
                "were broken, by their last measurement. Intervals are over trials (Student's t).",
                *asked_late(context, scopes),
            ),
            plots=(plot,),
        )


def _scopes(context: Context) -> dict[str, dict[str, str]]:
    """Metric of each outcome, over all replies and by skill, where a trial or the base model has them."""
    scopes = {_ALL: {name: name for name in OUTCOMES}}
    for skill in context.skills:
        metrics = {name: f"{skill['name']}_{name}" for name in OUTCOMES}
        scopes[skill["name"]] = metrics | {"right": f"{skill['name']}_generation"}
    return {scope: names for scope, names in scopes.items() if _trials(context, names)}


def _trials(context: Context, names: Mapping[str, str]) -> list[TrialState]:
    return [t for t in context.judged if set(names.values()) <= set(metrics_of(t))]


def _shares(context: Context, names: Mapping[str, str]) -> dict[str, dict[str, Estimate]]:
    """Mean share of each outcome by group; the base model first."""
    shares: dict[str, dict[str, Estimate]] = {}
    base = context.base
    if base is not None and set(names.values()) <= set(base.metrics):
        shares[_BASE] = {name: _of_base(context, metric) for name, metric in names.items()}
    trials = _trials(context, names)
    groups = by_lr(trials, context.trials) if "lr" in context.parameters else []
    parts = {f"lr {group.label}": list(group.trials) for group in groups} or {"all trials": trials}
    for label, part in parts.items():
        row = {name: mean_share([metrics_of(t)[m] for t in part]) for name, m in names.items()}
        if not all(math.isnan(share.value) for share in row.values()):
            shares[label] = row
    return shares


def _of_base(context: Context, metric: str) -> Estimate:
    assert context.base is not None
    interval = context.base.intervals.get(metric)
    share = context.base.metrics[metric]
    return (
        Estimate(share, None, None, 1)
        if interval is None
        else Estimate(share, interval.low, interval.high, interval.n)
    )


def _chart(shares: Mapping[str, Mapping[str, Estimate]]) -> XYChart:
    series = tuple(
        Series(
            name,
            list(shares),
            [None if math.isnan(row[name].value) else row[name].value for row in shares.values()],
            OUTCOME_LOOKS[name],
            "bars",
            text=[f"{group}: {name} {row[name].value:.1%}" for group, row in shares.items()],
        )
        for name in OUTCOMES
    )
    return XYChart(
        Axis("", "category", categories=tuple(shares)),
        Axis("share", low=0, high=1, share=True),
        series,
        stacked=True,
    )


def _sentence(shares: Mapping[str, Mapping[str, Estimate]]) -> str:
    parts = []
    for group, row in shares.items():
        each = ", ".join(f"{row[name].value:.0%} {name}" for name in OUTCOMES if row[name].value >= 0.005)
        parts.append(f"{group}: {each or 'nothing measured'}")
    text = f"{'; '.join(parts)}."
    return text[0].upper() + text[1:]


def _table(context: Context, shares: Mapping[str, Mapping[str, Estimate]], names: Mapping[str, str]) -> Table:
    rows = []
    for group, row in shares.items():
        cells = []
        for name in OUTCOMES:
            if group == _BASE and context.base is not None:
                cells.append(with_interval(row[name].value, context.base.intervals.get(names[name])))
            else:
                cells.append(estimated(row[name], "trials"))
        rows.append((group, *cells))
    caption = (
        "Share of each outcome, with 95% intervals: over items for the base model, otherwise over trials."
    )
    return Table(("", *OUTCOMES), tuple(rows), caption)
