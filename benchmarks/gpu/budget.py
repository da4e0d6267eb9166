"""How the time is shared among the parts."""

from __future__ import annotations

from collections.abc import Sequence

LEAST = 0.5
"""Share of its box that a part needs to be worth starting."""


def box(wanted: Sequence[float], left: float) -> float | None:
    """Seconds for the next part.

    Boxes shrink alike where time is short, down to `LEAST` of what they were. Where that is not enough, room
    is made at the end of the list: what comes first matters most. Time that a part leaves goes to the rest.

    Args:
        wanted: Boxes of the parts still to run, the next one first.
        left: Seconds left for all of them.

    Returns:
        None where the next part has to be left out.
    """
    kept = list(wanted)
    while kept:
        share = min(1.0, left / sum(kept))
        if share >= LEAST:
            return share * kept[0]
        kept.pop()
    return None
