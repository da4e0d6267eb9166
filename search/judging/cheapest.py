"""Of candidates that do not differ beyond noise, the cheapest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from search import wording
from search.judging.confirmation import Candidate
from search.record.events import Params

_FASTER = 1.1
"""Training times within 10% of the least count as equal: they vary from run to run."""


def cheapest(
    tied: Sequence[Candidate], params: Mapping[int, Params], artifact: str = "adapter"
) -> tuple[Candidate, str]:
    """The candidate with the smallest adapter, or else the one that trains fastest.

    Adapters that adapt the same layers differ in size as their ranks do. Where the layers differ, or the
    ranks do not, the mean training time decides, and where that is equal too, the mean of the first
    objective.

    Args:
        tied: Best first; at least two.
        params: Parameters of each trial, by its number.
        artifact: What trials leave behind.

    Returns:
        The candidate, and why it, in words that follow "it is taken because".
    """
    left, among = list(tied), ""
    ranks = _ranks(left, params)
    if ranks is not None and len(set(ranks.values())) > 1:
        least = min(ranks.values())
        left = [candidate for candidate in left if ranks[candidate.trial] == least]
        if len(left) == 1:
            others = " and ".join(wording.scalar(rank) for rank in sorted({*ranks.values()} - {least}))
            return left[0], f"its {artifact} is the smallest (rank {wording.scalar(least)} against {others})"
        among = f"of those with the smallest rank, {wording.scalar(least)}, "
    quickest = min(candidate.train_seconds for candidate in left)
    fast = [candidate for candidate in left if candidate.train_seconds <= _FASTER * quickest]
    if len(fast) == 1:
        return fast[0], f"{among}it trains fastest ({wording.duration(quickest)} on average)"
    if len(fast) < len(left):
        return fast[0], f"{among}of those that train fastest, its mean is the best"
    return fast[0], f"{among}none is clearly cheaper and its mean is the best"


def _ranks(tied: Sequence[Candidate], params: Mapping[int, Params]) -> dict[int, float] | None:
    """Rank of each; None where a candidate has none, or where they do not adapt the same layers."""
    adapted = {
        (params[candidate.trial].get("target_modules"), params[candidate.trial].get("layers"))
        for candidate in tied
    }
    if len(adapted) > 1:
        return None
    ranks = {}
    for candidate in tied:
        rank = params[candidate.trial].get("rank")
        if not isinstance(rank, int | float) or isinstance(rank, bool):
            return None
        ranks[candidate.trial] = float(rank)
    return ranks
