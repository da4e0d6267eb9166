"""The same question asked of another search: does the direction hold there?"""

from __future__ import annotations

import math
from typing import Any, Literal

from analysis.report.base_comparison import mean_kept, one_rule
from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Plot, Rule, Table, XYChart
from analysis.report.context import Context, base_value, value
from analysis.report.glossary import sentence_case
from analysis.report.groups import by_lr, line
from analysis.report.look import INK
from analysis.report.statistics import Estimate, spearman
from analysis.report.words import JUDGED, estimated, room
from search import wording

Direction = Literal["keeps least", "keeps most", "undecided"]


@card(
    "comparison",
    "Comparison with the other search",
    25,
    read="One line for each search. If both fall at the same place, the effect is not specific to one model.",
)
class Comparison:
    """Both searches side by side."""

    def applies(self, context: Context) -> str | None:
        """Where another search was given."""
        if context.other is None:
            return "No other search was given; compare=FOLDER adds one."
        return None

    def compute(self, context: Context) -> Findings:
        """Rank correlations and retention by learning rate of both."""
        assert context.other is not None
        pair = (context, Context(*context.other))
        correlations = [_correlation(search) for search in pair]
        sides = [_direction(correlation) for correlation in correlations]
        verdict = _verdict(sides, context.terms["score"])
        names = _names(pair)
        rows = tuple(
            _row(search, name, correlation)
            for search, name, correlation in zip(pair, names, correlations, strict=True)
        )
        plots = _plots(pair, names, verdict)
        score = context.terms["score"]
        columns = ("search", "model", "trials", f"base {score}", "rank correlation", "recommended")
        return Findings(
            data={
                "verdict": verdict,
                "searches": [
                    _data(search, name, correlation, side)
                    for search, name, correlation, side in zip(pair, names, correlations, sides, strict=True)
                ],
            },
            texts=(verdict,),
            notes=(
                JUDGED,
                *one_rule(pair[0]),
                "Two searches with different spaces, data or budgets differ in more than the model.",
            ),
            plots=plots,
            tables=(
                Table(
                    columns,
                    rows,
                    "Both searches. The correlation is between loss and what is kept, at the full budget.",
                    open=True,
                ),
            ),
        )


def _names(pair: tuple[Context, Context]) -> list[str]:
    names = [str(search.config["name"]) for search in pair]
    if names[0] == names[1]:
        names = [
            f"{name} on {search.summary['search']['model']}" for name, search in zip(names, pair, strict=True)
        ]
    return names if names[0] != names[1] else [f"{names[0]} (this)", f"{names[1]} (other)"]


def _correlation(context: Context) -> Estimate | None:
    if context.kept is None:
        return None
    done = context.completed
    return spearman([value(t, context.loss) for t in done], [value(t, context.kept) for t in done])


def _direction(correlation: Estimate | None) -> Direction:
    if correlation is None or correlation.low is None or correlation.high is None:
        return "undecided"
    return "keeps least" if correlation.low > 0 else "keeps most" if correlation.high < 0 else "undecided"


def _verdict(sides: list[Direction], score: str) -> str:
    unsure = [name for name, side in zip(("this", "the other"), sides, strict=True) if side == "undecided"]
    if unsure:
        which = "neither search settles" if len(unsure) > 1 else f"{unsure[0]} search does not settle"
        return f"Undecided: {which} whether loss and {score} fall together."
    if sides[0] == sides[1]:
        return f"The direction holds in both searches: what trains best {sides[0]}."
    return (
        f"The direction does not hold: here what trains best {sides[0]}, in the other search it {sides[1]}."
    )


def _row(context: Context, name: str, correlation: Estimate | None) -> tuple[str, ...]:
    best, base = context.summary["recommended"], context.base
    score = context.terms["score"]
    before = base_value(context, score)
    around = None if base is None else base.intervals.get(score)
    return (
        name,
        str(context.summary["search"]["model"]),
        str(len(context.trials)),
        "-" if math.isnan(before) else wording.measured(before, around),
        estimated(correlation, "trials"),
        "none" if best is None else f"trial {best['trial']}: {wording.params(best['sampled'])}",
    )


def _data(context: Context, name: str, correlation: Estimate | None, side: Direction) -> dict[str, Any]:
    groups = by_lr(context.judged, context.trials)
    return {
        "search": name,
        "spearman": None if correlation is None else correlation.data(),
        "what_trains_best": side,
        "by_lr": [{"lr": g.label, "kept": mean_kept(context, g.trials).data()} for g in groups],
        "recommended": context.recommended,
    }


def _plots(pair: tuple[Context, Context], names: list[str], verdict: str) -> tuple[Plot, ...]:
    kept = [search.kept for search in pair]
    if kept[0] is None or kept[0] != kept[1]:
        return ()
    series, rows = [], []
    for index, (search, name) in enumerate(zip(pair, names, strict=True)):
        groups = by_lr(search.judged, search.trials)
        means = [mean_kept(search, group.trials) for group in groups]
        series.append(
            line(name, groups, [mean.estimate for mean in means], [str(mean) for mean in means], index)
        )
        rows += [(name, g.label, str(mean)) for g, mean in zip(groups, means, strict=True)]
    if not all(each.x for each in series):
        return ()
    rules = (Rule("base model", 1.0, "y", INK),) if pair[0].keeps_ratio else ()
    low, high = room(
        [
            1.0 if rules else math.nan,
            *(float(v) for each in series for v in each.y if isinstance(v, float)),
        ]
    )
    y = Axis(f"mean {kept[0]}", low=low, high=high)
    chart = XYChart(Axis("learning rate", "log"), y, tuple(series), rules)
    table = Table(
        ("search", "learning rate", f"mean {kept[0]}"), tuple(rows), "Means over trials by learning rate."
    )
    title = f"{sentence_case(kept[0])} by learning rate in both searches"
    return (Plot("both-searches", title, f"{title}. {verdict}", (chart,), table=table),)
