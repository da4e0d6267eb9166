"""What teaching costs: what is lost against what is adopted, trial by trial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.report.adoption import ADOPTION, DEGENERATION, Model, chosen, models, not_asked, percent
from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Chart, Menu, Plot, Series, Table, XYChart
from analysis.report.context import Context, interval, value
from analysis.report.glossary import sentence_case
from analysis.report.look import ended
from analysis.report.statistics import Estimate, spearman
from analysis.report.words import MOST_ROWS, cut, ending, estimated, trial_line, trial_row, with_interval
from search.record import TrialState

_MANY = 60
"""With more trials than that, intervals would hide the marks."""
_LOCALITY = "locality"


@dataclass(frozen=True)
class _Price:
    """A metric that may suffer, and whether more of it is better."""

    metric: str
    more_is_better: bool

    @property
    def title(self) -> str:
        """Of its axis."""
        return f"{self.metric} ({'more' if self.more_is_better else 'less'} is better)"


@card(
    "belief_price",
    "What teaching costs",
    10,
    read=(
        "Each mark is a trial. On the right the belief is adopted; if marks on the right lie worse than "
        "those on the left, adoption had a price."
    ),
)
class BeliefPrice:
    """Retention, locality and degeneration against adoption."""

    def applies(self, context: Context) -> str | None:
        """Where beliefs were asked for, and anything that may suffer was measured."""
        if (reason := not_asked(context)) is not None:
            return reason
        return None if _prices(context) else "Nothing that teaching may cost was measured."

    def compute(self, context: Context) -> Findings:
        """A scatter for each metric, and the rank correlation over trials at the full budget."""
        prices = _prices(context)
        charts = [_chart(context, price) for price in prices]
        correlations = {price.metric: _correlation(context, price) for price in prices}
        texts = tuple(_sentence(context, price, correlations[price.metric]) for price in prices)
        variants: dict[tuple[int, ...], Chart] = {(i,): chart for i, chart in enumerate(charts)}
        many = len(charts) > 1
        metrics = (ADOPTION, *(price.metric for price in prices))
        rows = [t for t in context.trials if math.isfinite(value(t, ADOPTION))]
        table = Table(
            ("trial", "parameters", *metrics, "ended"),
            (
                *(_row(model, metrics) for model in models(context) if model.trial is None),
                *(trial_row(context, trial, metrics) for trial in rows[:MOST_ROWS]),
            ),
            f"Baselines, and the last measurement of each trial.{cut(len(rows))}",
        )
        plot = Plot(
            "belief-price",
            "What is lost against what is adopted",
            f"Scatter of trials. {' '.join(texts)}",
            tuple(charts),
            (Menu("Price", tuple(price.metric for price in prices)),) if many else (),
            variants if many else {},
            table,
        )
        return Findings(
            data={
                metric: None if correlation is None else correlation.data()
                for metric, correlation in correlations.items()
            },
            texts=texts,
            notes=(
                "Rank correlations are over trials at the full budget (Bonett and Wright, 2000). Trials "
                "that a searcher proposed are not a random sample of the space, so a correlation describes "
                "the tried configurations only.",
            ),
            plots=(plot,),
        )


def _prices(context: Context) -> list[_Price]:
    """What is kept of skills, neighbours, and how much more replies degenerate, as far as measured."""
    trial = chosen(context)
    measured = {} if trial is None or trial.last is None else trial.last.metrics
    names = [context.kept, _LOCALITY, DEGENERATION]
    return [
        _Price(name, not context.less_is_better(name))
        for name in names
        if name is not None and math.isfinite(measured.get(name, math.nan))
    ]


def _correlation(context: Context, price: _Price) -> Estimate | None:
    done = context.completed
    return spearman([value(t, ADOPTION) for t in done], [value(t, price.metric) for t in done])


def _sentence(context: Context, price: _Price, correlation: Estimate | None) -> str:
    name = sentence_case(price.metric)
    if correlation is None or correlation.low is None or correlation.high is None:
        return (
            f"{name}: fewer than four trials at the full budget have it, or it or adoption does not vary, so "
            "there is no rank correlation with adoption."
        )
    number = f"Spearman rank correlation {estimated(correlation, 'trials')}"
    if correlation.low <= 0 <= correlation.high:
        return f"{name}: no correlation with adoption is shown ({number})."
    costs = (correlation.high < 0) == price.more_is_better
    return f"{name}: the more is adopted, the {'worse' if costs else 'better'} it is ({number})."


def _chart(context: Context, price: _Price) -> XYChart:
    by_ending: dict[str, list[TrialState]] = {}
    for trial in context.trials:
        if trial.last is not None and all(math.isfinite(value(trial, n)) for n in (ADOPTION, price.metric)):
            by_ending.setdefault(ending(context, trial), []).append(trial)
    few = sum(map(len, by_ending.values())) <= _MANY
    series = [_trials(context, price, name, trials, few) for name, trials in by_ending.items()]
    series += [mark for model in models(context) if (mark := _mark(model, price)) is not None]
    x = Axis(f"{ADOPTION} (higher is better)", low=-0.03, high=1.03, share=True)
    return XYChart(x, Axis(price.title), tuple(series), title=f"{price.metric} against {ADOPTION}")


def _trials(context: Context, price: _Price, name: str, trials: Sequence[TrialState], few: bool) -> Series:
    across = [interval(trial, ADOPTION) if few else None for trial in trials]
    along = [interval(trial, price.metric) if few else None for trial in trials]
    return Series(
        name,
        [value(trial, ADOPTION) for trial in trials],
        [value(trial, price.metric) for trial in trials],
        ended(trials[0].status, context.cause(trials[0])),
        low=[None if around is None else around.low for around in along],
        high=[None if around is None else around.high for around in along],
        x_low=[None if around is None else around.low for around in across],
        x_high=[None if around is None else around.high for around in across],
        text=[trial_line(context, trial, (ADOPTION, price.metric)) for trial in trials],
    )


def _mark(model: Model, price: _Price) -> Series | None:
    x, y = model.share(ADOPTION), model.share(price.metric)
    if not (math.isfinite(x.value) and math.isfinite(y.value)):
        return None
    text = f"{model.name}: {ADOPTION} {percent(x)}; {price.metric} {estimated(y)}"
    return Series(model.name, [x.value], [y.value], model.look, text=[text])


def _row(model: Model, metrics: Sequence[str]) -> tuple[str, ...]:
    cells = [with_interval(model.share(name).value, model.measured.intervals.get(name)) for name in metrics]
    return (model.name, "-", *cells, "-")
