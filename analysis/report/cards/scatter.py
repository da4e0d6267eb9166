"""Loss against what is kept: does what trains best keep least?"""

from __future__ import annotations

import math

from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Plot, Series, Table, XYChart
from analysis.report.context import Context, base_value, interval, value
from analysis.report.look import BASE, BEST, ended
from analysis.report.statistics import Estimate, spearman
from analysis.report.words import (
    MOST_ROWS,
    cut,
    ending,
    estimated,
    none_has_score,
    trial_line,
    trial_row,
)
from search.record import TrialState


@card(
    "scatter",
    "Loss against {score}",
    20,
    read="Each mark is a trial. If marks rise to the right, a lower loss cost {score}.",
)
class Scatter:
    """A scatter of the loss against what the model keeps, with the rank correlation."""

    def applies(self, context: Context) -> str | None:
        """With a loss, and what is kept, at hand."""
        if context.kept is None:
            return none_has_score(context)
        if not any(math.isfinite(value(trial, context.loss)) for trial in context.trials):
            return f"No trial has {context.loss} measured."
        return None

    def compute(self, context: Context) -> Findings:
        """The correlation over trials at the full budget, and over all by their last measurement."""
        kept, score = context.kept or "", context.terms["score"]
        full, last = (
            _correlation(context, context.completed, kept),
            _correlation(context, context.trials, kept),
        )
        metrics = (context.loss, kept)
        rows = [t for t in context.trials if all(math.isfinite(value(t, name)) for name in metrics)]
        table = Table(
            ("trial", "parameters", *metrics, "ended"),
            tuple(trial_row(context, trial, metrics) for trial in rows[:MOST_ROWS]),
            f"Last measurement of each trial.{cut(len(rows))}",
        )
        alt = f"Scatter of {kept} against {context.loss}. {_sentence(context, full, kept)}"
        title = f"Loss against {score}"
        plot = Plot(f"loss-{score}", title, alt, (_chart(context, kept),), table=table)
        return Findings(
            data={
                "loss": context.loss,
                score: kept,
                "spearman_full_budget": None if full is None else full.data(),
                "spearman_last_measurement": None if last is None else last.data(),
            },
            texts=(_sentence(context, full, kept),),
            notes=(
                "Over the last measurement of every trial, at any budget: rank correlation "
                f"{estimated(last, 'trials')}. Loss and {score} both depend on how long a trial was "
                "trained, so this correlation alone is not evidence.",
                "The interval is that of Bonett and Wright (2000). Trials that a searcher proposed are not "
                "a random sample of the space, so it describes only the tried configurations.",
            ),
            plots=(plot,),
        )


def _correlation(context: Context, trials: list[TrialState], kept: str) -> Estimate | None:
    return spearman([value(t, context.loss) for t in trials], [value(t, kept) for t in trials])


def _sentence(context: Context, full: Estimate | None, kept: str) -> str:
    if full is None or full.low is None or full.high is None:
        return (
            f"Fewer than four trials at the full budget have both {context.loss} and {kept}, or one of "
            "these does not vary, so there is no rank correlation."
        )
    number = f"(Spearman rank correlation {estimated(full, 'trials at the full budget')})"
    if full.low > 0:
        return (
            f"The lower the {context.loss}, the lower the {kept} {number}: the trials that train best keep "
            "least."
        )
    if full.high < 0:
        return f"The lower the {context.loss}, the higher the {kept} {number}: there is no trade-off."
    return f"No correlation of {context.loss} and {kept} is shown {number}: the interval includes 0."


def _chart(context: Context, kept: str) -> XYChart:
    groups: dict[str, list[TrialState]] = {}
    for trial in context.trials:
        if trial.measured is not None:
            # Every way to end has an entry of its own in the legend.
            groups.setdefault(ending(context, trial), []).append(trial)
    series = []
    for name, trials in groups.items():
        few = len(trials) <= 60
        around = [interval(trial, kept) if few else None for trial in trials]
        series.append(
            Series(
                name,
                [value(trial, context.loss) for trial in trials],
                [value(trial, kept) for trial in trials],
                ended(trials[0].status, context.cause(trials[0])),
                low=[interval.low if interval else None for interval in around] if few else None,
                high=[interval.high if interval else None for interval in around] if few else None,
                text=[trial_line(context, trial, (context.loss, kept)) for trial in trials],
            )
        )
    if (number := context.recommended) is not None:
        best = context.state.trials[number]
        text = [trial_line(context, best, (context.loss, kept))]
        x, y = [value(best, context.loss)], [value(best, kept)]
        series.append(Series(f"recommended: trial {number}", x, y, BEST, text=text))
    point = base_value(context, context.loss), base_value(context, kept)
    if all(map(math.isfinite, point)):
        series.append(Series("base model", [point[0]], [point[1]], BASE, text=["base model, not tuned"]))
    return XYChart(
        Axis(f"{context.loss} (lower is better)"), Axis(f"{kept} (higher is better)"), tuple(series)
    )
