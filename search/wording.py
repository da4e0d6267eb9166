"""How numbers, intervals, parameters and durations are written for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from search.config.schema import ObjectiveConfig
from search.record.events import Scalar
from trainables.interval import Interval
from trainables.text import joined

_MOST_DECIMALS = 6


def number(value: float, decimals: int = 3) -> str:
    """A metric's value: fixed decimals where they say something, none above 1,000, else three digits."""
    if value == 0 or 10**-decimals <= abs(value) < 1000:
        return fixed(value, decimals)
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def fixed(value: float, decimals: int, signed: bool = False) -> str:
    """With fixed decimals; what rounds to zero has no minus sign."""
    return f"{value:{'+' if signed else ''}z.{decimals}f}"


def percent(share: float, decimals: int = 0) -> str:
    """A share, for example `27%`, likewise."""
    return f"{share:z.{decimals}%}"


def measured(value: float, interval: Interval | None = None, bound: float | None = None) -> str:
    """A value with its 95% interval, for example `0.97 [0.93, 1.00]`.

    Args:
        value: Measured value.
        interval: Its interval, where it is an estimate from a sample.
        bound: Floor or ceiling; decimals are added until rounding no longer hides on which side of it
            the value lies.
    """
    text = beside(value, bound, 3 if interval is None or interval.high - interval.low < 0.02 else 2)
    return text if interval is None else f"{text} {bracket(interval)}"


def bracket(interval: Interval) -> str:
    """An interval, for example `[0.93, 1.00]`."""
    decimals = 3 if interval.high - interval.low < 0.02 else 2
    return f"[{number(interval.low, decimals)}, {number(interval.high, decimals)}]"


def around(low: float | None, high: float | None, n: int) -> Interval | None:
    """An interval by its ends, one that is not known being infinite; None where neither is known."""
    if low is None and high is None:
        return None
    return Interval(-math.inf if low is None else low, math.inf if high is None else high, n)


def rounded_up(count: float) -> str:
    """A number that would do, rounded up to two digits, for example `1,300`."""
    digits = max(0, math.floor(math.log10(count)) - 1)
    return f"{math.ceil(count / 10**digits) * 10**digits:,}"


def names(trials: Sequence[int]) -> str:
    """For example `trial 3`, `trials 3, 5 and 7`."""
    return f"trial{'' if len(trials) == 1 else 's'} {joined(map(str, trials), 'and')}"


def beside(value: float, bound: float | None, decimals: int) -> str:
    """A value with as many decimals as show on which side of a bound it lies."""
    text = number(value, decimals)
    while bound is not None and value != bound and decimals < _MOST_DECIMALS and float(text) == bound:
        decimals += 1
        text = number(value, decimals)
    return text


def scalar(value: Scalar) -> str:
    """A parameter's value; small real numbers in scientific notation, whole ones as integers."""
    if isinstance(value, float) and not isinstance(value, bool):
        if value.is_integer() and abs(value) < 1e15:
            return f"{value:.0f}"
        if value != 0 and math.isfinite(value) and abs(value) < 0.01:
            return f"{value:.1e}"
        return f"{value:.3g}"
    return "-" if value is None else str(value)


def params(values: Mapping[str, Scalar]) -> str:
    """Parameters in a line, for example `lr 3.1e-04, rank 8`."""
    return ", ".join(f"{name} {scalar(value)}" for name, value in values.items())


def constraint(objective: ObjectiveConfig) -> str:
    """The constraint in symbols, for example `>= 0.95`, or nothing."""
    if objective.floor is not None:
        return f">= {objective.floor:g}"
    return "" if objective.ceiling is None else f"<= {objective.ceiling:g}"


def objective(objective: ObjectiveConfig) -> str:
    """For example `train_loss (min)`, `retention (max, >= 0.95)`."""
    return f"{objective.metric} ({', '.join(filter(None, (objective.direction, constraint(objective))))})"


def plural(count: int, noun: str) -> str:
    """For example `1 trial`, `1,200 trials`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def slots(count: int, reason: str) -> str:
    """For example `4 trials at a time per group (<reason>)`."""
    return f"{plural(count, 'trial')} at a time per group ({' '.join(reason.split())})"


def counted(counts: Mapping[str, int]) -> str:
    """The counts that are not zero, for example `5 completed, 2 diverged`."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)


def duration(seconds: float, decimals: int = 1) -> str:
    """For example `4.2 s`, `3:07`, `2:03:07`; the decimals are those of less than a minute."""
    if round(seconds, decimals) < 60:
        return f"{seconds:.{decimals}f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
