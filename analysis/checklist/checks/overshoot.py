"""Whether the training loss settles: neither above where it began, nor above where it has been."""

from __future__ import annotations

import math

from analysis.checklist.check import Answer, Examined, check
from analysis.checklist.curve import error_of_median
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
    start, end = curve.start, float(settled[-1])
    lowest, highest = float(settled.min()), float(settled.max())
    error = math.sqrt(2) * error_of_median(curve.noise, 2 * REACH + 1)
    least = STANDARD_ERRORS * error
    above, rebound, fall = highest - start, end - lowest, start - lowest
    where = curve.steps[REACH + int(settled.argmax())], curve.steps[REACH + int(settled.argmin())]
    numbers = {
        "start": start,
        "highest": highest,
        "highest_step": where[0],
        "lowest": lowest,
        "lowest_step": where[1],
        "end": end,
        "least_seen": least,
    }
    if above > least and above >= SHARE * abs(start):
        text = f"The running median rises from {start:.3g} to {highest:.3g} at step {where[0]:,}."
        return Answer("fail", text, numbers)
    if rebound > least and rebound >= SHARE * max(fall, 0.0):
        text = (
            f"The running median ends at {end:.3g}, above its lowest value {lowest:.3g} at step {where[1]:,}."
        )
        return Answer("fail", text, numbers)
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
