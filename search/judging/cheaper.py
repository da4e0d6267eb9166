"""Which of several equally good candidates to use: the cheapest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from search import wording
from search.judging.confirmation import Candidate
from search.record.events import Params

_FASTER = 1.1
"""Training times within 10% of the least are taken as equal: they vary from run to run."""


def cheapest(tied: Sequence[Candidate], params: Mapping[int, Params]) -> tuple[Candidate, str]:
    """The candidate with the smallest adapter, or else the one that trains fastest.

    Adapters that adapt the same layers differ in size as their ranks do. Where the layers differ, or the
    ranks do not, the mean training time decides, and where that is equal too, the mean of the first
    objective.

    Args:
        tied: Best first; at least two.
        params: Parameters of each trial, by its number.

    Returns:
        The candidate, and why it, in words that follow "it is taken because".
    """
    left, among = list(tied), ""
    ranks = _ranks(left, params)
    if ranks is not None and len(set(ranks.values())) > 1:
        least = min(ranks.values())
        left = [one for one in left if ranks[one.trial] == least]
        if len(left) == 1:
            others = sorted({rank for rank in ranks.values() if rank != least})
            words = " and ".join(wording.scalar(rank) for rank in others)
            return left[0], f"its adapter is the smallest (rank {wording.scalar(least)} against {words})"
        among = f"of those with the smallest rank, {wording.scalar(least)}, "
    quickest = min(one.train_seconds for one in left)
    fast = [one for one in left if one.train_seconds <= _FASTER * quickest]
    if len(fast) == 1:
        seconds = wording.duration(quickest)
        return fast[0], f"{among}it trains fastest ({seconds} on average)"
    if len(fast) < len(left):
        return fast[0], f"{among}of those that train fastest, its mean is the best"
    return fast[0], f"{among}none is clearly cheaper and its mean is the best"


def _ranks(tied: Sequence[Candidate], params: Mapping[int, Params]) -> dict[int, float] | None:
    """Rank of each; None where one has none, or where they do not adapt the same layers."""
    own = [params[one.trial] for one in tied]
    if len({(each.get("target_modules"), each.get("layers")) for each in own}) > 1:
        return None
    ranks = {one.trial: params[one.trial].get("rank") for one in tied}
    found = {
        trial: float(rank)
        for trial, rank in ranks.items()
        if isinstance(rank, int | float) and not isinstance(rank, bool)
    }
    return found if len(found) == len(ranks) else None
