"""What a search has spent of hours, device-hours and money, and which limit is reached or ended it."""

from __future__ import annotations

from dataclasses import dataclass

from search.config.schema import LimitsConfig
from search.judging.racing import race
from search.record import SearchState


@dataclass(frozen=True)
class Usage:
    """What all sessions of a search took together.

    Attributes:
        hours: Wall-clock time.
        device_hours: Hours of each session times its devices: GPUs, or CPU workers where it had none.
        node_hours: Hours of each session times the nodes of its cluster.
    """

    hours: float
    device_hours: float
    node_hours: float


@dataclass(frozen=True)
class Limit:
    """A limit that was set.

    Attributes:
        name: "hours", "device_hours" or "cost".
        limit: As configured.
        spent: How much of it was spent.
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
        price: Of a node for an hour; None where it was not given.
        limits: Those that were set.
        ended_by: The limit that ended the search, in words; None where none did.
    """

    hours: float
    device_hours: float
    cost: float | None
    price: float | None
    limits: tuple[Limit, ...]
    ended_by: str | None


def usage(state: SearchState, now: float | None = None) -> Usage:
    """What all sessions have used so far.

    Args:
        state: The search.
        now: End of the last session, in seconds since the epoch; None takes its last event.
    """
    hours = device_hours = node_hours = 0.0
    for number, span in enumerate(state.spans, 1):
        ended = max(span.ended, now) if now is not None and number == len(state.spans) else span.ended
        each = max(0.0, ended - span.began) / 3600
        hours += each
        device_hours += each * span.devices
        node_hours += each * span.nodes
    return Usage(hours, device_hours, node_hours)


def limit_reached(limits: LimitsConfig, used: Usage, with_reserve: Usage) -> str | None:
    """The first limit that is reached, in words; None where none is.

    Args:
        limits: As configured.
        used: What was spent.
        with_reserve: `used` with what is kept back for confirmation, of which at most half of a limit counts.
    """
    price = limits.price or 0.0
    for name, limit, value, more in (
        ("hours", limits.hours, used.hours, with_reserve.hours),
        ("device_hours", limits.device_hours, used.device_hours, with_reserve.device_hours),
        ("cost", limits.cost, used.node_hours * price, with_reserve.node_hours * price),
    ):
        if limit is not None and value + (reserve := min(more - value, limit / 2)) >= limit:
            kept = f", {reserve:.3g} reserved for confirmation" if reserve else ""
            return f"limits.{name}: {value:.3g} of {limit:g} is spent{kept}"
    return None


def spending(state: SearchState) -> Spending:
    """What a search that has begun has spent."""
    assert state.started is not None
    config = LimitsConfig.model_validate(state.limits)
    used = usage(state)
    cost = None if config.price is None else used.node_hours * config.price
    pairs = (
        ("hours", config.hours, used.hours),
        ("device_hours", config.device_hours, used.device_hours),
        ("cost", config.cost, cost or 0.0),
    )
    limits = tuple(Limit(name, limit, value) for name, limit, value in pairs if limit is not None)
    return Spending(
        used.hours, used.device_hours, cost, config.price, limits, _ended_by(state, config, limits)
    )


def _ended_by(state: SearchState, config: LimitsConfig, limits: tuple[Limit, ...]) -> str | None:
    """The limit that ended a trial is recorded; one that kept a trial from beginning is inferred."""
    if not limits:
        return None
    since = state.sessions[-1].time if state.sessions else 0.0
    for trial in state.trials.values():
        for decided in trial.decisions.values():
            if decided.by == "limits" and decided.time >= since:
                return decided.reason
    used = usage(state)
    if (full := limit_reached(config, used, used)) is not None:
        return full
    if state.ended is None or state.ended.reason != "finished" or not state.sessions:
        return None
    whole = state.searched >= state.sessions[-1].trials or _exhaustible(state)
    if whole and race(state).over:
        return None
    first = max(limits, key=lambda limit: limit.spent / limit.limit)
    if first.spent < first.limit / 2:
        return None  # no more than half of a limit is ever kept back
    return f"limits.{first.name}: {first.spent:.3g} of {first.limit:g} is spent"


def _exhaustible(state: SearchState) -> bool:
    """Whether the searcher may have run out of configurations."""
    assert state.started is not None
    return state.started.config["searcher"]["name"] in ("grid", "listed")
