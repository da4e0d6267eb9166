"""Whether the trial is better than the untouched model."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple, TypeAlias

from analysis.checklist.check import Answer, Examined, check
from analysis.report.base_comparison import metric_change, unpaired_change
from analysis.report.context import base_value, interval, value
from search import wording
from search.config.schema import ObjectiveConfig
from search.judging.constraints import bound_name, bound_of
from trainables.interval import Interval
from trainables.messages import TRAIN_LOSS

_Standing: TypeAlias = Literal["better", "worse", "undecided"]


class _Compared(NamedTuple):
    metric: str
    standing: _Standing
    text: str
    numbers: dict[str, Any]


@check("better_than_base", "Is the trial better than the untouched model?")
def better_than_base(examined: Examined) -> Answer:
    """Compares every objective that was measured on the base model too, and the loss on held-out text.

    An objective with a floor or a ceiling must keep it with its whole 95% interval; another must differ
    from the base model's value by more than the interval of the difference, paired where the answers to
    single questions were kept. The loss on training batches is left out: it is not measured on the same
    data.
    """
    context, trial = examined.context, examined.trial
    if trial.measured is None:
        return Answer("cannot tell", "The trial was never measured.")
    if context.base is None:
        return Answer("cannot tell", "The untouched model was not measured; baselines=[base] measures it.")
    compared = [
        each
        for objective in _compared_objectives(examined)
        if (each := _compare(examined, objective)) is not None
    ]
    if not compared:
        return Answer("cannot tell", "No objective was measured on both with an interval.")
    standings = {each.standing for each in compared}
    text = "; ".join(each.text for each in compared) + "."
    numbers = {each.metric: each.numbers | {"standing": each.standing} for each in compared}
    if "worse" in standings:
        return Answer("fail", text, numbers)
    return Answer("pass" if "better" in standings else "cannot tell", text, numbers)


def _compared_objectives(examined: Examined) -> list[ObjectiveConfig]:
    """The objectives, then the loss on held-out text where it is none."""
    context = examined.context
    objectives = [each for each in context.objectives if each.metric != TRAIN_LOSS]
    known = {each.metric for each in objectives}
    heldout = [
        ObjectiveConfig(metric=metric.name, direction="min")
        for metric in context.trainable.metrics
        if metric.name == "heldout_loss" and metric.name not in known
    ]
    return [*objectives, *heldout]


def _compare(examined: Examined, objective: ObjectiveConfig) -> _Compared | None:
    """None where one of the two was not measured."""
    context, trial, metric = examined.context, examined.trial, objective.metric
    ours, base = value(trial, metric), base_value(context, metric)
    if not (math.isfinite(ours) and math.isfinite(base)):
        return None
    around = interval(trial, metric)
    numbers: dict[str, Any] = {"trial": ours, "base": base}
    shown = f"{metric} {wording.measured(ours, around)}, base {wording.measured(base)}"
    if (bound := bound_of(objective)) is not None:
        low, high = (ours, ours) if around is None else (around.low, around.high)
        kept = low >= bound if objective.floor is not None else high <= bound
        broken = high < bound if objective.floor is not None else low > bound
        words = "keeps" if kept else "breaks" if broken else "may keep"
        text = f"{shown}: {words} its {bound_name(objective)} {bound:g}"
        # What is kept is not better: it is what the others must not cost.
        standing: _Standing = "worse" if broken else "undecided"
        return _Compared(metric, standing, text, numbers | {"low": low, "high": high, "bound": bound})
    change = metric_change(context, trial, metric) or _unpaired(examined, metric)
    if change is None:
        return None
    sign = 1 if objective.direction == "max" else -1
    best, worst = sorted((sign * change.low, sign * change.high), reverse=True)
    standing = "better" if worst > 0 else "worse" if best < 0 else "undecided"
    words = {"undecided": "no difference shown"}.get(standing, standing)
    text = f"{shown}: {words} (change [{change.low:.3g}, {change.high:.3g}])"
    return _Compared(metric, standing, text, numbers | {"low": change.low, "high": change.high})


def _unpaired(examined: Examined, metric: str) -> Interval | None:
    """The interval of the change from those of the two values; None where one has none."""
    base, around = examined.context.base, interval(examined.trial, metric)
    of_base = base.intervals.get(metric) if base is not None else None
    if around is None or of_base is None:
        return None
    before, after = base_value(examined.context, metric), value(examined.trial, metric)
    return unpaired_change(before, of_base, after, around)
