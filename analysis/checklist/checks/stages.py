"""Whether each of two stages read the range of the data that it was meant to read."""

from __future__ import annotations

import math
from typing import Any

from analysis.checklist.check import Answer, Examined, check
from analysis.report.context import value
from search import wording
from search.judging.rungs import full_steps

_METRICS = (
    "stage1_steps",
    "stage1_sequences",
    "stage2_first",
    "stage2_sequences",
    "stage1_passes",
    "stage2_passes",
)


@check("stage_ranges", "Did each stage read the intended part of the data?", "stage2_first")
def stage_ranges(examined: Examined) -> Answer:
    """Stage 2 begins where stage 1 ended, and each stage reads its steps times the batch size.

    A start that was taken over from a larger batch would skip data, or read some of it twice.
    """
    trial = examined.trial
    if trial.measured is None:
        return Answer("cannot tell", "The trial was never measured.")
    border, first_read, begin, second_read, *passes = (value(trial, name) for name in _METRICS)
    batch = trial.params.get("batch_size")
    if not isinstance(batch, int | float) or not math.isfinite(border):
        return Answer("cannot tell", "The record does not say what the stages read.")
    steps = trial.measured.step
    wanted = (min(steps, border) * batch, max(0.0, steps - border) * batch)
    numbers: dict[str, Any] = {
        "steps": steps,
        "full_steps": full_steps(examined.context.state, trial),
        "stage1": [0, first_read],
        "stage2": [begin, begin + second_read],
        "intended": list(wanted),
        "passes": passes,
    }
    text = (
        f"Stage 1 read the sequences 0 to {first_read:,.0f} ({wording.percent(passes[0])} of a pass), "
        f"stage 2 {begin:,.0f} to {begin + second_read:,.0f} ({wording.percent(passes[1])})"
    )
    if begin != first_read:
        return Answer("fail", f"{text}: stage 2 does not begin where stage 1 ended.", numbers)
    if (first_read, second_read) != wanted:
        meant = f"{wanted[0]:,.0f} and {wanted[1]:,.0f} were meant, {batch} a step"
        return Answer("fail", f"{text}; {meant}.", numbers)
    return Answer("pass", f"{text}, as meant: {batch} in each of {wording.plural(steps, 'step')}.", numbers)
