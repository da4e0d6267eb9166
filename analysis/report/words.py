"""Words that several cards share."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis import wording
from analysis.report.context import Context, interval, value
from analysis.report.statistics import Estimate
from search.record import TrialState
from search.record.events import Interval

MOST_ROWS = 150
"""Longer tables would only repeat trials.csv."""

JUDGED = (
    "Counted are trials at the full budget, and those that diverged or that a guard ended for breaking the "
    "model (by their last measurement; a diverged one counts as 0). Trials that the scheduler stopped "
    "early are not: what they would have kept is not known."
)


def number(own: float | None) -> str:
    """A number, or a dash where it is not known."""
    return "-" if own is None or math.isnan(own) else wording.number(own)


def with_interval(own: float, around: Interval | None) -> str:
    """A measured value with its interval and sample size, for example `0.97 [0.94, 0.99], n=240`."""
    if math.isnan(own):
        return "-"
    if around is None:
        return wording.number(own)
    return f"{_between(own, around.low, around.high)}, n={around.n:,}"


def estimated(own: Estimate | None, of: str = "") -> str:
    """A mean or a correlation with its interval and sample size."""
    if own is None or math.isnan(own.value):
        return "-"
    noun = f" {of}" if of else ""
    if own.low is None or own.high is None:
        return f"{wording.number(own.value)}, n={own.n:,}{noun}"
    return f"{_between(own.value, own.low, own.high)}, n={own.n:,}{noun}"


def bracketed(own: float, ends: tuple[float, float] | None) -> str:
    """A number with its interval, where it has one."""
    return number(own) if ends is None else _between(own, *ends)


def _between(own: float, low: float, high: float) -> str:
    """With as many decimals as the width of the interval leaves a meaning to, the same for all three."""
    largest = max(map(abs, (own, low, high)))
    if not math.isfinite(high - low) or largest >= 1000 or high - low < 0.0005:
        return f"{wording.number(own)} [{wording.number(low)}, {wording.number(high)}]"
    decimals = 2 if high - low >= 0.02 else 3 if high - low >= 0.002 else 4
    return f"{own:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"


def trial_line(context: Context, trial: TrialState, metrics: Sequence[str]) -> str:
    """One trial in a line, for the pointer that rests on it."""
    values = [f"{name} {with_interval(value(trial, name), interval(trial, name))}" for name in metrics]
    cause = context.cause(trial)
    end = trial.status if cause is None else f"{trial.status} ({cause})"
    return "; ".join([f"trial {trial.number}", wording.params(trial.proposed.sampled), *values, end])


def trial_row(context: Context, trial: TrialState, metrics: Sequence[str]) -> tuple[str, ...]:
    """One trial as cells: number, parameters, metrics with intervals, how it ended."""
    cells = [with_interval(value(trial, name), interval(trial, name)) for name in metrics]
    return (
        str(trial.number),
        wording.params(trial.proposed.sampled),
        *cells,
        context.cause(trial) or trial.status,
    )


def cut(count: int) -> str:
    """What is said below a table that is cut."""
    return (
        f" The first {MOST_ROWS} of {count:,} rows; all trials are in trials.csv."
        if count > MOST_ROWS
        else ""
    )


def room(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Ends of an axis that hold the values with some room; intervals that reach further are cut off."""
    known = [own for own in values if math.isfinite(own)]
    if not known:
        return None, None
    low, high = min(known), max(known)
    pad = 0.3 * ((high - low) or abs(high) or 1.0)
    return low - pad if low < 0 else max(0.0, low - pad), high + pad
