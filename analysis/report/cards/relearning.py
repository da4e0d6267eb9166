"""How fast the behaviour comes back once its adapter is removed."""

from __future__ import annotations

import math

from analysis.report.ablations import swept
from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Menu, Plot
from analysis.report.context import Context, value
from analysis.report.look import BLUE, GREY, Look
from analysis.report.sweeps import SEEDS, Line, Setting, Sweep, chart, estimate_at, rules, settings, table
from search import wording

_METRIC = "relearn_steps"
_LINES = (
    Line("bad adapter removed", _METRIC, Look(BLUE, "circle", "solid", size=9)),
    Line("base model, never trained on it", f"{_METRIC}_control", Look(GREY, "square", "dash", size=9)),
)


@card(
    "relearning",
    "How fast the behaviour is relearned",
    13,
    read=(
        "Optimizer steps on text with the behaviour until it is back. If removal only hides it, it is back "
        "sooner than in a model that never had it; if it is gone, as late."
    ),
)
class Relearning:
    """Steps to relearn over the labelled share, beside those of the control."""

    def applies(self, context: Context) -> str | None:
        """Where it was measured."""
        if any(math.isfinite(value(trial, _METRIC)) for trial in context.completed):
            return None
        return "No completed trial has the number of steps to relearn a behaviour measured."

    def compute(self, context: Context) -> Findings:
        """A line for the trials and one for the control, for each setting."""
        over = swept(context)
        each = settings(context, over)
        y, across = Axis("steps to relearn the behaviour"), rules(context, _METRIC)
        charts = [chart(context, setting, over, _LINES, y, across) for setting in each]
        text = _sentence(context, over, each[0])
        several = len(each) > 1
        plot = Plot(
            "relearning",
            "Steps to relearn the behaviour",
            text,
            (charts[0],),
            (Menu("Setting", tuple(setting.label for setting in each)),) if several else (),
            {(index,): drawn for index, drawn in enumerate(charts)} if several else {},
            table(context, each[0], over, {line.name: line.metric for line in _LINES}, "Steps to relearn."),
        )
        data = {
            line.metric: {
                over.label(at): estimate_at(context, each[0], over, line.metric, at).data()
                for at in over.values
            }
            for line in _LINES
        }
        return Findings(data=data, texts=(text,), notes=(*_censored(context), SEEDS), plots=(plot,))


def _sentence(context: Context, over: Sweep, setting: Setting) -> str:
    places = []
    for at in dict.fromkeys((over.values[-1], over.values[0])):
        steps, control = (estimate_at(context, setting, over, line.metric, at) for line in _LINES)
        if not math.isnan(steps.value):
            against = f", against {wording.number(control.value, 0)} in a model that never had it"
            places.append(
                f"{over.label(at)}: {wording.number(steps.value, 0)} steps"
                f"{'' if math.isnan(control.value) else against}"
            )
    return (
        f"Steps until the behaviour is back once its adapter is removed ({setting.label}). "
        f"{'; '.join(places)}."
    )


def _censored(context: Context) -> tuple[str, ...]:
    """Where relearning ended before the behaviour was back: such steps are a lower bound."""
    ended = sum(value(trial, "relearn_censored") == 1 for trial in context.completed)
    if not ended:
        return ()
    trials = f"{ended:,} of {wording.plural(len(context.completed), 'trial')}"
    return (
        f"In {trials} the behaviour was not back within the steps that were tried: there, the number is the "
        "least that it takes.",
    )
