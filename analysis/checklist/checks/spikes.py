"""Whether the training loss jumps."""

from __future__ import annotations

import numpy as np

from analysis.checklist.check import Answer, Examined, check
from analysis.checklist.curve import Curve, deviation
from search import wording

ROBUST_Z = 6.0
RATIO = 1.8
BEFORE = 20
"""Points before a point that it is compared with, at most."""

LEAST_BEFORE = 8
NEAR_ZERO = 0.1
"""Losses below this share of the first count as that much: near 0 the ratio of two losses says nothing."""

_MOST_NAMED = 5


@check("no_spikes", "Is the training loss free of spikes?")
def no_spikes(examined: Examined) -> Answer:
    """A spike lies more than 6 robust standard deviations above the running median and above 1.8 times it.

    The running median is that of up to 20 points before, and the standard deviation is by their median
    absolute deviation (Iglewicz and Hoaglin, 1993). Points are means of several steps: what is shorter
    than a point is averaged away, and the answer says how much.
    """
    curve, ended = examined.curve, examined.trial.finished
    if ended is not None and ended.status == "diverged":
        return Answer("fail", f"The trial was ended: {ended.reason}.", {"status": ended.status})
    if curve.missing:
        text = f"{wording.plural(curve.missing, 'point')} of the curve are not finite."
        return Answer("fail", text, {"not_finite": curve.missing})
    if len(curve) <= LEAST_BEFORE:
        text = f"The curve has {wording.plural(len(curve), 'point')}; it takes {LEAST_BEFORE + 1} to tell."
        return Answer("cannot tell", text, {"points": len(curve)})
    at = spikes_of(curve)
    numbers = {"points": len(curve), "steps_per_point": curve.width, "spikes": at}
    if at:
        named = ", ".join(
            f"{each['times']:.3g} times the running median at step {each['step']:,} (z {each['z']:.3g})"
            for each in at[:_MOST_NAMED]
        )
        return Answer("fail", f"{wording.plural(len(at), 'spike')}: {named}{_more(len(at))}.", numbers)
    text = f"None of {len(curve) - LEAST_BEFORE} points is one"
    if curve.width == 1:
        return Answer("pass", f"{text}; each is one step.", numbers)
    seen = 1 + (RATIO - 1) * curve.width
    text += (
        f"; points are means of up to {curve.width} steps, so a single step shows from {seen:.3g} times up."
    )
    return Answer("pass", text, numbers)


def spikes_of(curve: Curve) -> list[dict[str, float]]:
    """Step, multiple of the running median, and robust z of every spike."""
    floor = max(NEAR_ZERO * curve.start, 1e-9)
    least = np.minimum.accumulate(curve.losses)
    spikes = []
    for index in range(LEAST_BEFORE, len(curve)):
        loss = float(curve.losses[index])
        if loss <= RATIO * max(float(least[index - 1]), floor):
            continue  # no median can be lower
        before = curve.losses[max(0, index - BEFORE) : index]
        median = max(float(np.median(before)), floor)
        if loss <= RATIO * median:
            continue
        # Losses that do not vary at all would make every z infinite.
        z = (loss - median) / max(deviation(before), NEAR_ZERO * NEAR_ZERO * median)
        if z > ROBUST_Z:
            spikes.append({"step": curve.steps[index], "times": loss / median, "z": z})
    return spikes


def _more(count: int) -> str:
    return f", and {count - _MOST_NAMED} more" if count > _MOST_NAMED else ""
