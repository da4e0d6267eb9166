"""Whether the training loss falls."""

from __future__ import annotations

import math

import numpy as np

from analysis.checklist.check import Answer, Examined, check
from analysis.checklist.curve import Array, deviation, error_of_median
from search import wording
from trainables.interval import Z

LEAST_POINTS = 10
HARDLY = 0.02
"""A fall by less than this share of the first loss is none."""


@check("loss_falls", "Does the training loss fall?")
def loss_falls(examined: Examined) -> Answer:
    """Compares the medians of the first and of the last fifth of the points, at least three.

    The 95% interval of the fall is from their standard errors, 1.2533 s / sqrt(n), with s the greater of
    the deviation within the part and that from each point to the next.
    """
    curve = examined.curve
    if len(curve) < LEAST_POINTS:
        text = f"The curve has {wording.plural(len(curve), 'point')}; it takes {LEAST_POINTS} to tell."
        return Answer("cannot tell", text, {"points": len(curve)})
    count = max(3, len(curve) // 5)
    first, last = curve.losses[:count], curve.losses[-count:]
    before, after = float(np.median(first)), float(np.median(last))
    fall = before - after
    half = Z * math.hypot(_error(first, curve.noise), _error(last, curve.noise))
    text = (
        f"The loss goes from {before:.3g} to {after:.3g} (medians of {count} points each), a fall by "
        f"{fall:.3g} [{fall - half:.3g}, {fall + half:.3g}]."
    )
    numbers = {"first": before, "last": after, "fall": fall, "low": fall - half, "high": fall + half}
    if fall - half > 0:
        return Answer("pass", text, numbers)
    return Answer("fail" if fall + half <= HARDLY * abs(before) else "cannot tell", text, numbers)


def _error(part: Array, noise: float) -> float:
    return error_of_median(max(deviation(part), noise), len(part))
