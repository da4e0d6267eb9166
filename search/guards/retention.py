"""Ends trials whose model has surely lost what the base model could do."""

from __future__ import annotations

from search.config.schema import SearchConfig
from search.guards.base import GUARDS, Guard
from search.judging.retention import RETENTION
from search.record import RungReached, SearchState


@GUARDS.register("retention", "the whole 95% interval of retention lies below the floor")
def retention_guard(config: SearchConfig) -> Guard | None:
    """The guard at `guards.retention`; None without a floor."""
    bound = _floor(config)
    if bound is None:
        return None

    def below(rung: RungReached, state: SearchState) -> str | None:
        interval = rung.intervals.get(RETENTION)
        if interval is None or not interval.high < bound:
            return None
        return (
            f"retention {rung.metrics[RETENTION]:.3g} [{interval.low:.3g}, {interval.high:.3g}] "
            f"over {interval.n} questions lies below {bound:g} with its whole 95% interval"
        )

    return below


def _floor(config: SearchConfig) -> float | None:
    if config.guards.retention != "floor":
        return config.guards.retention
    floors = (objective.floor for objective in config.objectives if objective.metric == RETENTION)
    return next(floors, None)
