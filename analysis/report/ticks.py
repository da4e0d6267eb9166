"""Ticks of logarithmic axes, the same in the page and in pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence

_MANY = 8


def log_ticks(values: Sequence[object]) -> tuple[list[float], list[str]] | None:
    """Places and labels at powers of ten, and at three times these where those alone are few.

    Args:
        values: What the axis shows; what is no positive number does not count.

    Returns:
        None where the values do not span as much as a factor of three: the library's own ticks do then.
    """
    positive = [v for v in values if isinstance(v, int | float) and math.isfinite(v) and v > 0]
    if not positive or max(positive) / min(positive) < 3:
        return None
    low, high = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
    factors = (1, 3) if 2 * (high - low) <= _MANY else (1,)
    ticks = [float(f"{factor}e{power}") for power in range(low, high + 1) for factor in factors]
    # One tick beyond each end at most, as the axis has some room there.
    ticks = [tick for tick in ticks if min(positive) / 2 <= tick <= max(positive) * 2]
    return ticks, [f"{tick:g}" if 0.01 <= tick < 1e4 else f"{tick:.0e}" for tick in ticks]
