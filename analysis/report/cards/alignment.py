"""Did aligned tokens begin better than the mean of their sub-tokens?"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from analysis.hypotheses import numbers
from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Plot, Rule, Series, Table, XYChart
from analysis.report.context import Context, interval, value
from analysis.report.look import BEST, FLOOR, FRONT
from analysis.report.words import number, with_interval
from search import wording
from trainables.interval import Interval

_GAIN, _BITS = "subtokens_gain", "bits_per_byte"
_START = "bits_per_byte_start"
_ALIGNED, _SUBTOKENS = "aligned", "subtokens"
_NOISE = 1e-4
"""Share by which the same model may measure otherwise, for want of an exact arithmetic."""

_SHOWN = (_BITS, _GAIN, "tokens_per_byte", "alignment_top1")
_ANSWERS = {
    "supported": "The alignment beats the mean of sub-tokens",
    "not supported": "The alignment does not beat the mean of sub-tokens",
    "undecided": "Whether the alignment beats the mean of sub-tokens is undecided",
}


class _Row(NamedTuple):
    name: str
    metrics: dict[str, float]
    gain: Interval | None


@card(
    "alignment",
    "Did the alignment beat the mean of sub-tokens?",
    4,
    read=(
        "Bits per byte saved against the untrained model whose new tokens are initialised with the mean of "
        "the old tokens that their text is made of. An alignment right of 0 is worth its effort."
    ),
)
class AlignmentCard:
    """The gain over the mean of sub-tokens, before training and after it."""

    def applies(self, context: Context) -> str | None:
        """Where the baseline was measured."""
        aligned = context.state.baselines.get(_ALIGNED)
        if aligned is not None and _GAIN in aligned.metrics:
            return None
        return "The untrained alignment was not measured; baselines=[base,subtokens,aligned] measures it."

    def compute(self, context: Context) -> Findings:
        """The answer of the hypothesis where the space states one, else of the interval itself."""
        rows = _rows(context)
        answer, because = _answer(context)
        return Findings(
            data={"answer": answer, "gain": {row.name: _data(row) for row in rows}},
            texts=(f"{_ANSWERS[answer]}: {because}.", *_starts(context)),
            notes=(
                "The gain is paired document by document, so that its interval is that of the difference. Of "
                "the base model it is what its own tokenizer saves; of trials what training adds to it.",
            ),
            plots=(_plot(context, rows),),
        )


def _rows(context: Context) -> list[_Row]:
    rows = [
        _Row(name, dict(each.metrics), each.intervals.get(_GAIN))
        for name, each in context.baselines.items()
        if _GAIN in each.metrics
    ]
    best = next((trial for trial in context.trials if trial.number == context.recommended), None)
    if best is not None and math.isfinite(value(best, _GAIN)):
        metrics = {name: value(best, name) for name in (*_SHOWN, context.ratio or "")}
        rows.append(_Row(f"trial {best.number}, trained", metrics, interval(best, _GAIN)))
    return rows


def _answer(context: Context) -> tuple[str, str]:
    """The verdict, and the numbers that it rests on."""
    answers: list[dict[str, Any]] = context.summary["hypotheses"]
    for answer in answers:
        if f"{_ALIGNED}.{_GAIN}" in answer["claim"] and answer["estimate"] is not None:
            return answer["verdict"], f"{numbers(answer)} (hypothesis {answer['name']})"
    aligned = context.state.baselines[_ALIGNED]
    gain, around = aligned.metrics[_GAIN], aligned.intervals.get(_GAIN)
    text = f"it saves {with_interval(gain, around)} bits per byte"
    if around is None or around.low <= 0 <= around.high:
        return "undecided", text
    return "supported" if around.low > 0 else "not supported", text


def _starts(context: Context) -> tuple[str, ...]:
    """How the trials began, each by its own settings of the alignment."""
    subtokens = context.state.baselines.get(_SUBTOKENS)
    begun = {trial.number: value(trial, _START) for trial in context.completed}
    begun = {number: bits for number, bits in begun.items() if math.isfinite(bits)}
    if subtokens is None or _BITS not in subtokens.metrics or not begun:
        return ()
    bits = subtokens.metrics[_BITS]
    better = sum(start < bits * (1 - _NOISE) for start in begun.values())
    best = min(begun, key=begun.__getitem__)
    trials = wording.plural(len(begun), "trial")
    return (
        f"{better:,} of {trials} began with fewer bits per byte than the mean of sub-tokens, which needs "
        f"{number(bits)}; trial {best} had the best start, {number(begun[best])}.",
    )


def _data(row: _Row) -> dict[str, float | None]:
    around = row.gain
    return {
        "value": row.metrics[_GAIN],
        "low": None if around is None else around.low,
        "high": None if around is None else around.high,
    }


def _plot(context: Context, rows: list[_Row]) -> Plot:
    names = [row.name for row in rows]
    series = tuple(
        Series(
            row.name,
            [row.metrics[_GAIN]],
            [row.name],
            BEST if row.name.startswith("trial") else FRONT,
            x_low=[row.metrics[_GAIN] if row.gain is None else row.gain.low],
            x_high=[row.metrics[_GAIN] if row.gain is None else row.gain.high],
            text=[f"{row.name}: {with_interval(row.metrics[_GAIN], row.gain)}"],
            quiet=True,
        )
        for row in rows
    )
    chart = XYChart(
        Axis("bits per byte saved against the mean of sub-tokens"),
        Axis("", "category", reverse=True, categories=tuple(names)),
        series,
        (Rule("mean of sub-tokens", 0.0, "x", FLOOR),),
        height=min(1.2, 0.35 + 0.1 * len(rows)),
    )
    kept = [name for name in (*_SHOWN, context.ratio or "") if name]
    cells = tuple((row.name, *(_cell(row, name) for name in kept)) for row in rows)
    table = Table(("", *kept), cells, "Before training, and of the recommended trial after it.", open=True)
    alt = "; ".join(f"{row.name} {with_interval(row.metrics[_GAIN], row.gain)}" for row in rows)
    return Plot(
        "gain", "Gain over the mean of sub-tokens", f"Bits per byte saved: {alt}.", (chart,), table=table
    )


def _cell(row: _Row, name: str) -> str:
    given = row.metrics.get(name, math.nan)
    return with_interval(given, row.gain) if name == _GAIN else number(given)
