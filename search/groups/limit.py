"""How many slots a worker group may open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from search.config.schema import SearchConfig
from search.searchers import SEARCHERS
from trainables.specs import TRAINABLES


@dataclass(frozen=True)
class SlotLimit:
    """The slots of one group.

    Attributes:
        slots: Their number; None: the group measures, and chooses.
        most: It never opens more.
        reason: Why not more, in words.
    """

    slots: int | None
    most: int
    reason: str


def slot_limit(
    asked: int | Literal["auto"], trials: int, groups: int, learns: bool, unpacked: str | None
) -> SlotLimit:
    """Bounds the slots of a group by what the search can use.

    Args:
        asked: `workers.slots`.
        trials: Trials of the whole search.
        groups: Worker groups.
        learns: Whether the searcher learns from results. What it proposes at the same time is proposed
            without learning from one another, so that "auto" has at most half of the trials at once.
        unpacked: Why trials of the trainable run one at a time, or None.
    """
    if unpacked is not None:
        return SlotLimit(1, 1, unpacked)
    share = max(1, -(-trials // groups))
    if asked != "auto":
        if asked > share:
            return SlotLimit(share, share, f"{asked} asked for, and no group gets more trials")
        return SlotLimit(asked, asked, "workers.slots")
    if learns:
        half = max(1, trials // (2 * groups))
        return SlotLimit(None, half, "at most half of the trials at once: the searcher learns from results")
    return SlotLimit(None, share, "no group gets more trials")


def configured_limit(config: SearchConfig, groups: int) -> SlotLimit:
    """`slot_limit` of a search with this many groups."""
    learns = SEARCHERS[config.searcher.name].learns
    unpacked = TRAINABLES[config.trainable].unpacked
    return slot_limit(config.workers.slots, config.trials, groups, learns, unpacked)
