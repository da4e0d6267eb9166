"""Blocks of the summary on confirmation, limits and warm start, as data that JSON can hold."""

from __future__ import annotations

from typing import Any

from search.judging.confirmation import Candidate, Confirmation
from search.judging.spending import spending
from search.record import SearchState


def confirmation_block(confirmed: Confirmation) -> dict[str, Any]:
    """The candidates with their means, and which of them tie."""
    return {
        "seeds": confirmed.seeds,
        "freedom": confirmed.freedom,
        "tied": list(confirmed.tied),
        "candidates": [_candidate(candidate) for candidate in confirmed.candidates],
    }


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "trial": candidate.trial,
        "n": len(candidate.runs),
        "runs": list(candidate.runs),
        "broken": list(candidate.broken),
        "missing": candidate.missing,
        "keeps": candidate.keeps,
        "train_seconds": candidate.train_seconds,
        "means": {
            metric: {
                "mean": estimate.mean,
                "error": estimate.error,
                "low": None if estimate.half is None else estimate.mean - estimate.half,
                "high": None if estimate.half is None else estimate.mean + estimate.half,
            }
            for metric, estimate in candidate.estimates.items()
        },
    }


def limits_block(state: SearchState) -> dict[str, Any]:
    """What was spent of each limit that was set, and the one that ended the search."""
    used = spending(state)
    return {
        "set": {limit.name: {"limit": limit.limit, "spent": limit.spent} for limit in used.limits},
        "reached": used.ended_by,
    }


def warm_start_block(state: SearchState) -> dict[str, Any] | None:
    """The earlier search that this one began with."""
    begun = state.warm_start
    if begun is None or state.started is None:
        return None
    configured = state.started.config.get("warm_start") or {}
    return {
        "search": configured.get("search"),
        "id": begun.search_id,
        "use": begun.use,
        "trials": len(begun.trials),
    }
