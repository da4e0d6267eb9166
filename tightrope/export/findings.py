"""How a trial stands beside its base: every metric worth a look, and which of them are kept or broken."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from analysis.described import worth_showing
from analysis.report.base_comparison import metric_change, unpaired_change
from analysis.report.context import Context, base_value, interval, value
from search.record.explained import metric_of, ratios
from tightrope.export.choice import Chosen
from trainables.interval import Interval

Verdict: TypeAlias = Literal[
    "better", "worse", "changed", "no clear difference", "no interval", "base not measured"
]
VERDICTS: Mapping[Verdict, str] = {
    "better": "the whole interval of the change lies on the better side of zero",
    "worse": "the whole interval of the change lies on the worse side of zero",
    "changed": "the whole interval lies on one side of zero, and neither side is better by itself",
    "no clear difference": "the interval of the change contains zero",
    "no interval": "one of the two values was measured without an interval, so that a change may be noise",
    "base not measured": "the base model has no value to compare with",
}
"""What each of them means."""


@dataclass(frozen=True)
class Finding:
    """One metric of a trial beside the base.

    Attributes:
        metric: Its name.
        meaning: In a sentence; empty where the record has none.
        base: The base's value, NaN where it was not measured.
        around_base: Its 95% interval.
        value: The trial's.
        around: Its 95% interval.
        change: 95% interval of the difference, paired item by item where the items were kept.
        verdict: What that interval says.
        ratio: Whether it is a share of the base's value.
    """

    metric: str
    meaning: str
    base: float
    around_base: Interval | None
    value: float
    around: Interval | None
    change: Interval | None
    verdict: Verdict
    ratio: bool


def findings(chosen: Chosen) -> list[Finding]:
    """Objectives first, then what the trainable shows, as far as the trial was measured in it."""
    context, trial = chosen.context, chosen.trial
    beside = worth_showing(context.trainable)
    names = dict.fromkeys([*context.shown_metrics, *beside.summary, *beside.verdict])
    return [_finding(chosen, name) for name in names if math.isfinite(value(trial, name))]


def _finding(chosen: Chosen, name: str) -> Finding:
    context, trial = chosen.context, chosen.trial
    before, after = base_value(context, name), value(trial, name)
    ratio = name in ratios(context.trainable)
    around_base = None if context.base is None else context.base.intervals.get(name)
    around, change = interval(trial, name), metric_change(context, trial, name)
    if change is None and around_base is not None and around is not None and math.isfinite(before):
        change = unpaired_change(before, around_base, after, around)
    return Finding(
        metric=name,
        meaning=_meaning(context, name),
        base=before,
        around_base=around_base,
        value=after,
        around=around,
        change=change,
        verdict=_verdict(change, _direction(context, name), known=ratio or math.isfinite(before)),
        ratio=ratio,
    )


def _meaning(context: Context, name: str) -> str:
    described = metric_of(context.trainable, name)
    if described is None:
        return ""
    if described.name != name:
        return f"{described.name} as a share of the base model's; 1 means that nothing is lost."
    return described.meaning


def _direction(context: Context, name: str) -> str | None:
    described = metric_of(context.trainable, name)
    return context.directions.get(name, None if described is None else described.direction)


def _verdict(change: Interval | None, direction: str | None, known: bool) -> Verdict:
    if change is None or math.isnan(change.low) or math.isnan(change.high):
        return "no interval" if known else "base not measured"
    if change.low <= 0 <= change.high:
        return "no clear difference"
    if direction is None:
        return "changed"
    return "better" if (change.low > 0) == (direction == "max") else "worse"


def confirmed(chosen: Chosen) -> Iterator[tuple[str, Mapping[str, Any], int]]:
    """Of a candidate that was trained again: a metric, its mean over the repetitions, and their number."""
    block = chosen.context.summary["confirmation"]
    for candidate in () if block is None else block["candidates"]:
        if candidate["trial"] == chosen.number and candidate["n"]:
            for metric, mean in candidate["means"].items():
                yield metric, mean, candidate["n"]
