"""Whether the training loss settles: neither above where it began, nor above where it has been."""

from __future__ import annotations

import math

import numpy as np

from analysis.checklist.check import Answer, Examined, check
from analysis.checklist.curve import Curve, error_of_median
from search import wording

LEAST_POINTS = 15
SHARE = 0.1
"""A rise counts from this share up: of the first loss, or of the fall before it."""

STANDARD_ERRORS = 4.0
REACH = 3
"""Points on either side that the running median is over."""


@check("no_overshoot", "Does the training loss settle without overshooting?")
def no_overshoot(examined: Examined) -> Answer:
    """Looks at the running median for a rise above the start, and for an end above the lowest value.

    A rise counts if it is at least a tenth of the first loss, or of the fall before it, and at least 4
    standard errors of the difference of two running medians. A training loss that is fitted to its noise
    would show a lowest value below the end by about 2 of them.
    """
    curve = examined.curve
    if len(curve) < LEAST_POINTS:
        text = f"The curve has {wording.plural(len(curve), 'point')}; it takes {LEAST_POINTS} to tell."
        return Answer("cannot tell", text, {"points": len(curve)})
    smooth = curve.smoothed(REACH)
    settled = smooth[REACH:-REACH]  # at the ends a median is over fewer points, and follows their noise
    top, bottom = REACH + int(settled.argmax()), REACH + int(settled.argmin())
    start, end = curve.start, float(settled[-1])
    highest, lowest = float(smooth[top]), float(smooth[bottom])
    above, rebound, fall = highest - start, end - lowest, start - lowest
    least_above = _least(curve, 0, top)
    least_rebound = _least(curve, bottom, len(curve) - 1)
    numbers = {
        "start": start,
        "highest": highest,
        "highest_step": curve.steps[top],
        "lowest": lowest,
        "lowest_step": curve.steps[bottom],
        "end": end,
        "least_above": least_above,
        "least_rebound": least_rebound,
    }
    if above > least_above and above >= SHARE * abs(start):
        text = f"The running median rises from {start:.3g} to {highest:.3g} at step {curve.steps[top]:,}."
        return Answer("fail", text, numbers)
    if rebound > least_rebound and rebound >= SHARE * max(fall, 0.0):
        where = f"its lowest value {lowest:.3g} at step {curve.steps[bottom]:,}"
        return Answer("fail", f"The running median ends at {end:.3g}, above {where}.", numbers)
    least = max(least_above, least_rebound)
    if least > max(abs(start) / 2, fall / 2):
        text = (
            f"The loss varies so much that a rise shows only from {least:.3g} up; it begins at {start:.3g}."
        )
        return Answer("cannot tell", text, numbers)
    text = (
        f"The running median begins at {start:.3g}, is nowhere above {highest:.3g}, and ends at {end:.3g}; "
        f"its lowest value is {lowest:.3g}."
    )
    return Answer("pass", text, numbers)


def _least(curve: Curve, first: int, second: int) -> float:
    """The least difference of the running medians at two points that counts."""
    errors = (error_of_median(_noise(curve, index), 2 * REACH + 1) for index in (first, second))
    return STANDARD_ERRORS * math.hypot(*errors)


def _noise(curve: Curve, index: int) -> float:
    """Standard deviation around the trend near a point, from changes to the next: the noise of a loss varies.

    Not robust, as some batches of few examples are hard: these must not look like a rise.
    """
    near = curve.losses[max(0, index - 2 * REACH) : index + 2 * REACH + 1]
    return math.sqrt(float(np.mean(np.diff(near) ** 2)) / 2)
