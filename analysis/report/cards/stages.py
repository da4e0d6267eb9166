"""Both stages of a training of two, with the border between them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Plot, Rule, Series, Table, Value, XYChart
from analysis.report.context import Context, value
from analysis.report.look import BASELINES, BEST, FLOOR, FRONT
from analysis.report.statistics import Estimate, mean
from analysis.report.words import MOST_ROWS, cut, estimated, number
from search import wording
from search.record import TrialState

_BORDER = "stage1_steps"
_MEASURED = {
    "before stage 1": "bits_per_byte_start",
    "after stage 1": "bits_per_byte_stage1",
    "after stage 2": "bits_per_byte",
}
_MOST_POINTS = 6_000


@card(
    "stages",
    "Both stages of training",
    61,
    read=(
        "On the left of the border the embeddings and the head are trained, on the right the model. Bits per "
        "byte are measured before, between and after; lower is better."
    ),
)
class StagesCard:
    """Training loss across the border, and what each stage gains."""

    def applies(self, context: Context) -> str | None:
        """Where a trial was trained in two stages."""
        if _staged(context):
            return None
        return "No trial was trained in two stages."

    def compute(self, context: Context) -> Findings:
        """Curves over steps from the border, and a line for each trial over what was measured."""
        staged = _staged(context)
        whole = [trial for trial in context.completed if all(map(math.isfinite, _values(trial)))]
        gains = [
            mean([_values(trial)[place] - _values(trial)[place + 1] for trial in whole]) for place in (0, 1)
        ]
        data = {
            "border": {str(trial.number): value(trial, _BORDER) for trial in staged},
            "bits_per_byte": {
                str(trial.number): dict(zip(_MEASURED, _values(trial), strict=True)) for trial in whole
            },
            "gains": {name: gain.data() for name, gain in zip(("stage 1", "stage 2"), gains, strict=True)},
        }
        plots = [_curves(staged)]
        if whole:
            plots.append(_bits(context, whole))
        return Findings(
            data=data,
            texts=_texts(context, whole, gains),
            notes=(
                "Training loss is per token of each trial's own tokenizer, and compares trials with the same "
                "tokenizer alone. The intervals of the gains are over trials (Student's t).",
            ),
            plots=tuple(plots),
        )


def _staged(context: Context) -> list[TrialState]:
    return [trial for trial in context.trials if math.isfinite(value(trial, _BORDER))]


def _values(trial: TrialState) -> list[float]:
    return [value(trial, metric) for metric in _MEASURED.values()]


def _curves(staged: Sequence[TrialState]) -> Plot:
    """The loss step by step; where the border is another in each trial, over steps from it."""
    borders = {value(trial, _BORDER) for trial in staged}
    shift = len(borders) > 1
    each = max(2, _MOST_POINTS // len(staged))
    x: list[Value] = []
    y: list[Value] = []
    text: list[str] = []
    for trial in staged:
        begin = value(trial, _BORDER) if shift else 0.0
        points = [
            (step - begin, loss) for rung in trial.rungs for step, loss in rung.curve if math.isfinite(loss)
        ]
        for step, loss in points[:: max(1, len(points) // each)]:
            x.append(step)
            y.append(loss)
            text.append(f"trial {trial.number}")
        x.append(None)
        y.append(None)
        text.append("")
    at = 0.0 if shift else next(iter(borders))
    title = "optimizer steps from the border" if shift else "optimizer steps"
    chart = XYChart(
        Axis(title, low=None if shift else 0),
        Axis("training loss"),
        (Series("trials", x, y, FRONT, "line", text=text, quiet=True),),
        (Rule("border of the stages", at, "x", FLOOR),),
    )
    trials = wording.plural(len(staged), "trial")
    alt = f"Training loss of {trials}, with the border of the stages at {number(at)}."
    return Plot("stages-training", "Training loss in both stages", alt, (chart,))


def _bits(context: Context, whole: Sequence[TrialState]) -> Plot:
    places = tuple(_MEASURED)
    series = [
        Series(f"trial {trial.number}", places, _values(trial), look, "both", quiet=quiet)
        for trial in whole
        for look, quiet in [(BEST, False) if trial.number == context.recommended else (FRONT, True)]
    ]
    last = places[-1]
    rules = [
        Rule(name, each.metrics[_MEASURED[last]], "y", BASELINES[index % len(BASELINES)])
        for index, (name, each) in enumerate(context.baselines.items())
        if _MEASURED[last] in each.metrics
    ]
    chart = XYChart(
        Axis("", "category", categories=places), Axis("bits per byte"), tuple(series), tuple(rules)
    )
    rows = tuple(
        (str(trial.number), wording.params(trial.proposed.sampled), *map(number, _values(trial)))
        for trial in whole[:MOST_ROWS]
    )
    table = Table(("trial", "parameters", *places), rows, f"Bits per byte.{cut(len(whole))}")
    alt = f"Bits per byte of {wording.plural(len(whole), 'trial')} before, between and after the stages."
    return Plot("stages-bits", "Bits per byte, stage by stage", alt, (chart,), table=table)


def _texts(context: Context, whole: Sequence[TrialState], gains: Sequence[Estimate]) -> tuple[str, ...]:
    if not whole:
        return ("No trial has reached the end of stage 2.",)
    first = (
        f"In bits per byte, stage 1 saves {estimated(gains[0], 'trials')}, and stage 2 saves "
        f"{estimated(gains[1], 'trials')}."
    )
    best = next((trial for trial in whole if trial.number == context.recommended), None)
    if best is None:
        return (first,)
    steps = ", ".join(f"{name} {number(bits)}" for name, bits in zip(_MEASURED, _values(best), strict=True))
    base = context.base
    known = None if base is None else base.metrics.get("bits_per_byte")
    against = "" if known is None else f"; the untouched model needs {number(known)} with its own tokenizer"
    return (first, f"The recommended trial {best.number} needs, in bits per byte, {steps}{against}.")
