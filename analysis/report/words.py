"""Words that several cards share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from analysis.report.context import Context, interval, value
from analysis.report.glossary import sentence_case
from analysis.report.statistics import Estimate
from search import wording
from search.record import TrialState
from search.record.explained import ratios
from trainables.interval import Interval

MOST_ROWS = 150
"""Longer tables would only repeat trials.csv."""

JUDGED = (
    "The counts include trials at the full budget, and those that diverged or that a guard ended for "
    "breaking the model (by their last measurement; a diverged one counts as 0). Trials that the scheduler "
    "stopped early are left out, because their final values are unknown."
)

_ENDS = {
    "scheduler": "stopped by the scheduler",
    "limits": "stopped by limits",
    "not promoted": "paused and not continued",
}


def ended_by(cause: str) -> str:
    """What ended trials early, in words: `stopped by the retention guard` of "guard retention"."""
    kind, _, name = cause.partition(" ")
    return f"stopped by the {name} guard" if kind == "guard" and name else _ENDS.get(cause, cause)


def ending(context: Context, trial: TrialState) -> str:
    """How the trial ended, or that it runs."""
    cause = context.cause(trial)
    return trial.status if cause is None else ended_by(cause)


def no_questions(context: Context) -> str | None:
    """Why a card about questions does not apply, where none are put."""
    if context.skills:
        return None
    return f"Trials of {context.config['trainable']} are not evaluated on questions."


def not_kept(context: Context) -> str:
    """Why a card about what is kept does not apply, where it is not measured."""
    if context.relative is None:
        what = "of which higher is better " if ratios(context.trainable) else ""
        return f"No metric of {context.config['trainable']} {what}is compared with the base model."
    name = sentence_case(str(context.ratio))
    return f"{name} was not measured: it needs a base model and {indefinite(context.relative.name)}."


def none_has_score(context: Context) -> str:
    """Why a card about what is kept does not apply, where no trial has even its metric."""
    if context.relative is None:
        return not_kept(context)
    return f"No trial has {indefinite(context.relative.name)} measured."


def indefinite(name: str) -> str:
    """With its article."""
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def capitalised(text: str) -> str:
    """A text at the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def asked_late(context: Context, shown: Iterable[str]) -> tuple[str, ...]:
    """A note for each shown skill of only some of the counted trials, with their number."""
    names = set(shown)
    late = []
    for skill in context.skills:
        name = f"{skill['name']}_{skill['scoring'][0]}"
        asked = sum(math.isfinite(value(trial, name)) for trial in context.judged)
        if skill["name"] in names and skill.get("at", "every") != "every" and asked:
            trials = wording.plural(len(context.judged), "trial")
            late.append(
                f"{skill['name']} is evaluated only at the end: {asked:,} of the {trials} counted here."
            )
    return tuple(late)


def spoken(seconds: float) -> str:
    """A time with its units, for example `4.2 s`, `3 min 7 s`, `2 h 3 min`."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60:,} h {minutes % 60} min"


def number(value: float | None) -> str:
    """A number, or a dash where it is not known."""
    return "-" if value is None or math.isnan(value) else wording.number(value)


def with_interval(value: float, around: Interval | None) -> str:
    """A measured value with its interval and sample size, for example `0.97 [0.94, 0.99], n=240`."""
    if math.isnan(value):
        return "-"
    if around is None:
        return wording.number(value)
    return f"{_between(value, around.low, around.high)}, n={around.n:,}"


def estimated(estimate: Estimate | None, of: str = "") -> str:
    """A mean or a correlation with its interval and sample size."""
    if estimate is None or math.isnan(estimate.value):
        return "-"
    noun = f" {of}" if of else ""
    if estimate.low is None or estimate.high is None:
        return f"{wording.number(estimate.value)}, n={estimate.n:,}{noun}"
    return f"{_between(estimate.value, estimate.low, estimate.high)}, n={estimate.n:,}{noun}"


def bracketed(value: float, ends: tuple[float, float] | None) -> str:
    """A number with its interval, where it has one."""
    return number(value) if ends is None else _between(value, *ends)


def _between(value: float, low: float, high: float) -> str:
    """With as many decimals as the width of the interval leaves a meaning to, the same for all three."""
    largest = max(map(abs, (value, low, high)))
    if not math.isfinite(high - low) or largest >= 1000 or high - low < 0.0005:
        return f"{wording.number(value)} [{wording.number(low)}, {wording.number(high)}]"
    decimals = 2 if high - low >= 0.02 else 3 if high - low >= 0.002 else 4
    value_text, *ends = (wording.fixed(each, decimals) for each in (value, low, high))
    return f"{value_text} [{', '.join(ends)}]"


def trial_line(context: Context, trial: TrialState, metrics: Sequence[str]) -> str:
    """One trial in a line, for the pointer that rests on it."""
    values = [f"{name} {with_interval(value(trial, name), interval(trial, name))}" for name in metrics]
    parts = [f"trial {trial.number}", wording.params(trial.proposed.sampled), *values]
    return "; ".join([*parts, ending(context, trial)])


def trial_row(context: Context, trial: TrialState, metrics: Sequence[str]) -> tuple[str, ...]:
    """One trial as cells: number, parameters, metrics with intervals, how it ended."""
    cells = [with_interval(value(trial, name), interval(trial, name)) for name in metrics]
    return (
        str(trial.number),
        wording.params(trial.proposed.sampled),
        *cells,
        ending(context, trial),
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
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return None, None
    low, high = min(known), max(known)
    pad = 0.3 * ((high - low) or abs(high) or 1.0)
    return low - pad if low < 0 else max(0.0, low - pad), high + pad
