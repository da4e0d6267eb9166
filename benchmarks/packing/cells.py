"""One cell of the table: some number of trials with some batch size, trained in every way."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch

from benchmarks.packing.flops import needed
from benchmarks.packing.loops import fitting, in_turn, mixed
from benchmarks.packing.meter import Timing
from benchmarks.packing.packs import ONE_PASS, choose, packed
from benchmarks.packing.work import Work
from trainables.lora.slots import Choice

PLAIN = "plain"
SHARED_ROWS = "shared_rows"
WHOLE_LOGITS = "whole_logits"
MODES = (PLAIN, "mixed", "packed_one_pass", WHOLE_LOGITS, SHARED_ROWS, "packed_auto_limits", "auto")
"""Plain PEFT in turn; PEFT's mixed batches; all trials in one pass; the same with the logits of all tokens at
once, and with short examples of a trial in shared rows (`workers.sequence_packing`); all trials in one pack,
in passes as `slots=auto` limits them; packs of the size that `slots=auto` chooses, one after another."""

MOST_STEPS = 50


@dataclass(frozen=True)
class Plan:
    """How a cell is measured.

    Attributes:
        modes: Some of `MODES`, `PLAIN` among them.
        repeats: Runs of each.
        target: Seconds that the plain loop may take in one run; steps are chosen by it.
        until: `time.monotonic` after which no further repeat is begun.
        peak: FLOP/s of the device; None where it is not known.
    """

    modes: tuple[str, ...]
    repeats: int
    target: float
    until: float
    peak: float | None


def measure(work: Work, plan: Plan) -> dict[str, Any]:
    """Trains the trials in every way, in turn, as often as `repeats` says; the facts of the row.

    The order of the ways moves on by one with each repeat, and what `slots=auto` chooses is measured
    anew, as it is when a search starts.
    """
    work, limits = _warm_up(work, plan)
    lacking = [mode for mode in plan.modes if mode in _PROBED and mode not in limits]
    plan = replace(plan, modes=tuple(mode for mode in plan.modes if mode not in lacking))
    runs: dict[str, list[Timing]] = {mode: [] for mode in plan.modes}
    choices: list[Choice] = []
    for repeat in range(plan.repeats):
        if repeat and time.monotonic() > plan.until:
            break
        if "auto" in plan.modes or "packed_auto_limits" in plan.modes:
            choices.append(choose(work))
        turn = repeat % len(plan.modes)
        for mode in (*plan.modes[turn:], *plan.modes[:turn]):
            if not (mode == "auto" and _twice(work, plan, choices)):
                runs[mode].append(_run(mode, work, limits, choices[-1:]))
        if _twice(work, plan, choices):
            runs["auto"].append(runs["packed_auto_limits"][-1])
    facts: dict[str, Any] = {"steps": work.steps, "repeats": len(runs[PLAIN]), "tokens": work.tokens}
    if lacking:
        facts["out_of_memory"] = lacking
    if choices:
        facts["auto_slots"] = [choice.slots for choice in choices]
        facts["auto_pass_cost"] = [choice.limits.cost for choice in choices]
        facts["auto_reason"] = choices[-1].reason
    facts["ways"] = {mode: _summary(work, each, runs[PLAIN], plan.peak) for mode, each in runs.items()}
    for mode in {SHARED_ROWS, WHOLE_LOGITS} & runs.keys() if "packed_one_pass" in runs else ():
        facts["ways"][mode]["to_one_pass"] = _ratio(runs[mode], runs["packed_one_pass"])
    return facts


def _twice(work: Work, plan: Plan, choices: Sequence[Choice]) -> bool:
    """Whether `auto` is what `packed_auto_limits` is: all trials in one pack."""
    both = {"auto", "packed_auto_limits"} <= set(plan.modes)
    return both and choices[-1].slots == len(work.trials)


_Limits: TypeAlias = dict[str, Timing]

_PROBED: dict[str, Callable[[Work], Timing]] = {
    "mixed": lambda work: fitting(mixed, work, None),
    "packed_one_pass": lambda work: packed(work, ONE_PASS),
    WHOLE_LOGITS: lambda work: packed(work, ONE_PASS, whole_logits=True),
    SHARED_ROWS: lambda work: packed(work, ONE_PASS, share_rows=True),
}


def _warm_up(work: Work, plan: Plan) -> tuple[Work, _Limits]:
    """Chooses the number of steps, and finds what fits into memory."""
    widest = max(work.trials, key=lambda params: params.rank)
    single = replace(work, trials=(widest,), warm=1, steps=1)
    alone = fitting(in_turn, single, None)
    limits = {PLAIN: alone}
    few = replace(work, warm=0, steps=1)
    for mode, probe in _PROBED.items():
        if mode in plan.modes:
            with suppress(torch.OutOfMemoryError):  # others may fit: they keep fewer adapters at once
                limits[mode] = probe(few)
    steps = round(plan.target / (len(work.trials) * alone.seconds))
    return replace(work, steps=min(MOST_STEPS, max(1, steps))), limits


def _run(mode: str, work: Work, limits: _Limits, choice: Sequence[Choice]) -> Timing:
    runs: dict[str, Callable[[], Timing]] = {
        PLAIN: lambda: fitting(in_turn, work, limits[PLAIN].rows),
        "mixed": lambda: fitting(mixed, work, limits["mixed"].rows),
        "packed_one_pass": lambda: packed(work, replace(ONE_PASS, tokens=limits["packed_one_pass"].limit)),
        WHOLE_LOGITS: lambda: packed(
            work, replace(ONE_PASS, tokens=limits[WHOLE_LOGITS].limit), whole_logits=True
        ),
        SHARED_ROWS: lambda: packed(
            work, replace(ONE_PASS, tokens=limits[SHARED_ROWS].limit), share_rows=True
        ),
        "packed_auto_limits": lambda: packed(work, choice[0].limits),
        "auto": lambda: packed(work, choice[0].limits, choice[0].slots),
    }
    return runs[mode]()


def _ratio(runs: Sequence[Timing], to: Sequence[Timing]) -> dict[str, float]:
    """Speed of these runs as a multiple of that of the others, repeat by repeat."""
    ratios = [base.seconds / own.seconds for base, own in zip(to, runs, strict=True)]
    return {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}


def _summary(
    work: Work, runs: Sequence[Timing], plain: Sequence[Timing], peak: float | None
) -> dict[str, Any]:
    """What the runs of one way say; ratios are to the plain run of the same repeat."""
    seconds = [run.seconds for run in runs]
    speed = work.tokens / statistics.median(seconds)
    last = runs[-1]
    facts: dict[str, Any] = {
        "tokens_per_second": speed,
        "seconds": seconds,
        "ratio": _ratio(runs, plain),
        "padding": 1 - work.tokens / last.passed,
        "passes_per_step": last.passes / work.steps,
    }
    if last.rows is not None:
        facts["rows_per_pass"] = last.rows
    if last.limit is not None:
        facts["tokens_per_pass_limit"] = last.limit
    facts["memory_gib"] = max(run.memory for run in runs) / 2**30
    if peak is not None:
        facts["share_of_peak"] = needed(work) / statistics.median(seconds) / peak
    return facts
