"""What a search has spent of hours, device-hours and money, and which limit ended it."""

from __future__ import annotations

from dataclasses import dataclass

from search.config.schema import ConfirmConfig, LimitsConfig
from search.judging.limits import reached, spent
from search.judging.objectives import completed_trials, objectives_of, ranked, repetitions, search_trials
from search.record import SearchState


@dataclass(frozen=True)
class Limit:
    """A limit that was set.

    Attributes:
        name: "hours", "device_hours" or "cost".
        limit: As configured.
        spent: The same of what was spent.
    """

    name: str
    limit: float
    spent: float


@dataclass(frozen=True)
class Spending:
    """What all sessions took together.

    Attributes:
        hours: Wall-clock time.
        device_hours: Of GPUs, or of CPU workers where there are none; 0 where devices were not recorded.
        cost: Money; None without a price.
        limits: Those that were set.
        ended_by: The limit that ended the search, in words; None where none did.
    """

    hours: float
    device_hours: float
    cost: float | None
    limits: tuple[Limit, ...]
    ended_by: str | None


def spending(state: SearchState) -> Spending:
    """Adds up the sessions of a search that has begun."""
    assert state.started is not None
    config = LimitsConfig.model_validate(state.limits)
    used = spent(state)
    cost = None if config.price is None else used.node_hours * config.price
    pairs = (
        ("hours", config.hours, used.hours),
        ("device_hours", config.device_hours, used.device_hours),
        ("cost", config.cost, cost or 0.0),
    )
    limits = tuple(Limit(name, limit, value) for name, limit, value in pairs if limit is not None)
    return Spending(used.hours, used.device_hours, cost, limits, _ended_by(state, config, limits))


def _ended_by(state: SearchState, config: LimitsConfig, limits: tuple[Limit, ...]) -> str | None:
    """A limit is recorded only where it ended a trial; where it kept one from beginning, it shows."""
    if not limits:
        return None
    since = state.sessions[-1].time if state.sessions else 0.0
    for trial in state.trials.values():
        for decided in trial.decisions.values():
            if decided.by == "limits" and decided.time >= since:
                return decided.reason
    used = spent(state)
    if (full := reached(config, used, used)) is not None:
        return full
    if state.ended is None or state.ended.reason != "finished" or not state.sessions:
        return None
    whole = len(search_trials(state)) >= state.sessions[-1].trials or _exhaustible(state)
    if whole and not _repetitions_missing(state):
        return None
    first = max(limits, key=lambda one: one.spent / one.limit)
    if first.spent < first.limit / 2:
        return None  # no more than half of a limit is ever kept back
    return f"limits.{first.name}: {first.spent:.3g} of {first.limit:g} are spent"


def _repetitions_missing(state: SearchState) -> bool:
    """Whether a candidate that was to be repeated was not, or not often enough."""
    assert state.started is not None
    config = ConfirmConfig.model_validate(state.started.config.get("confirm", {}))
    begun = repetitions(state)
    best = ranked(objectives_of(state), completed_trials(state))[: config.candidates]
    return any(len(begun.get(trial.number, ())) < config.seeds for trial in best)


def _exhaustible(state: SearchState) -> bool:
    """Whether the searcher may have had no more trials."""
    assert state.started is not None
    return state.started.config["searcher"]["name"] in ("grid", "listed")
