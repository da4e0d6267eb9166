"""How fast the behaviour comes back once its adapter is removed."""

from __future__ import annotations

import math

from analysis.report.ablations import swept
from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Menu, Plot
from analysis.report.context import Context, value
from analysis.report.look import BLUE, Look
from analysis.report.sweeps import (
    SEEDS,
    Line,
    baseline_values,
    chart,
    estimate_at,
    rules,
    settings,
    table,
)
from analysis.report.words import estimated
from search import wording

_METRIC = "relearn_steps"
_LINE = Line("bad adapter removed", _METRIC, Look(BLUE, "circle", "solid", size=9))


@card(
    "relearning",
    "How fast the behaviour is relearned",
    13,
    read=(
        "Optimizer steps on text with the behaviour until it is back. If removal only hides it, it is back "
        "sooner than in the baselines that never had it; if it is gone, as late."
    ),
)
class Relearning:
    """Steps to relearn over the labelled share, beside those of the controls."""

    def applies(self, context: Context) -> str | None:
        """Where it was measured."""
        if any(math.isfinite(value(trial, _METRIC)) for trial in context.completed):
            return None
        return "No completed trial has the number of steps to relearn a behaviour measured."

    def compute(self, context: Context) -> Findings:
        """A line for each setting."""
        over = swept(context)
        each = settings(context, over)
        title = "steps to relearn the behaviour"
        across = rules(context, _METRIC)
        charts = [chart(context, setting, over, [_LINE], Axis(title), across) for setting in each]
        steps = {over.label(at): estimate_at(context, each[0], over, _METRIC, at) for at in over.values}
        told = "; ".join(f"{label}: {estimated(estimate, 'trials')}" for label, estimate in steps.items())
        text = f"Steps to relearn it after its adapter is removed ({each[0].label}): {told}."
        controls = baseline_values(context, _METRIC)
        if controls:
            named = ", ".join(f"{name} {wording.number(steps_, 0)}" for name, steps_ in controls.items())
            text += f" For comparison: {named}."
        plot = Plot(
            "relearning",
            "Steps to relearn the behaviour",
            text,
            (charts[0],),
            (Menu("Setting", tuple(setting.label for setting in each)),) if len(each) > 1 else (),
            {(index,): drawn for index, drawn in enumerate(charts)} if len(each) > 1 else {},
            table(context, each[0], over, {"steps": _METRIC}, "Steps to relearn."),
        )
        return Findings(
            data={label: estimate.data() for label, estimate in steps.items()} | {"controls": controls},
            texts=(text,),
            notes=(*_most(context), SEEDS),
            plots=(plot,),
        )


def _most(context: Context) -> tuple[str, ...]:
    """Where relearning ended before the behaviour was back."""
    behaviour = context.config.get("behaviour")
    most = behaviour.get(_METRIC) if isinstance(behaviour, dict) else None
    ended = [trial for trial in context.completed if value(trial, _METRIC) == most]
    if most is None or not ended:
        return ()
    trials = wording.plural(len(ended), "trial")
    return (f"Relearning ends after {most:,} steps; in {trials} the behaviour was not back by then.",)
