"""Whether a trial read the data that it was meant to read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from analysis.checklist.check import Answer, Examined, check
from search import wording
from search.judging.rungs import full_steps
from trainables.interval import Z


@check("data_as_intended", "Was the intended data read?")
def data_as_intended(examined: Examined) -> Answer:
    """Compares the steps with the full budget, and the tokens read with those that the steps should read.

    Steps x batch size examples hold that many times the mean number of tokens of the training examples.
    Any draw of n of them holds it within z sqrt((longest - mean) mean / n) a piece, as no number between 0
    and the longest varies more (Bhatia and Davis, 2000, doi:10.1080/00029890.2000.12005203). A trial that
    uses a chosen part of the examples is not held against the mean of all.
    """
    context, trial = examined.context, examined.trial
    if trial.last is None:
        return Answer("cannot tell", "The trial reached no rung.")
    steps, full = trial.last.step, full_steps(context.state, trial)
    numbers: dict[str, Any] = {"steps": steps, "full_steps": full}
    if trial.status == "completed" and steps != full:
        text = (
            f"It is marked complete after {wording.plural(steps, 'step')}, and the full budget has {full:,}."
        )
        return Answer("fail", text, numbers)
    done = f"{steps:,} of {wording.plural(full, 'step')}"
    data = context.base.data if context.base is not None else {}
    read = sum(rung.tokens for rung in trial.rungs)
    lacking = _lacking(trial.params, data, read)
    if lacking:
        return Answer("cannot tell", f"{done}; {lacking}.", numbers)
    train, mean, longest = (float(data[name] or 0) for name in ("train", "tokens", "longest"))
    examples = steps * float(trial.params["batch_size"] or 0)
    drawn = min(examples, train)
    expected = examples * mean
    # Whole passes over the examples hold exactly the mean; only what is left over is drawn.
    rest = examples % train
    half = Z * math.sqrt(max(0.0, longest - mean) * mean * rest)
    numbers |= {
        "examples": examples,
        "passes": examples / train,
        "tokens": read,
        "expected": expected,
        "low": expected - half,
        "high": expected + half,
    }
    text = (
        f"{done}, {examples:,.0f} examples, {examples / train:.3g} passes over {train:,.0f}: {read:,} tokens "
        f"read, {expected:,.0f} [{expected - half:,.0f}, {expected + half:,.0f}] expected."
    )
    within = abs(read - expected) <= half + 0.005 * expected and drawn > 0
    return Answer("pass" if within else "fail", text, numbers)


def _lacking(params: Mapping[str, Any], data: Mapping[str, Any], read: int) -> str:
    """What is not known that the comparison needs; empty where all is."""
    if not read:
        return "the tokens that it read were not counted"
    if not all(isinstance(data.get(name), int | float) for name in ("train", "tokens", "longest")):
        return "the record does not say how long the training examples are"
    if not isinstance(params.get("batch_size"), int | float):
        return "it has no batch_size to count examples by"
    if params.get("examples") is not None:
        return f"it uses a chosen part of the examples (examples: {params['examples']}), whose length differs"
    return ""
