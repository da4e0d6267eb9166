"""What a search has spent, and whether a limit is reached."""

from __future__ import annotations

from dataclasses import dataclass

from search.config.schema import LimitsConfig
from search.record import SearchState


@dataclass(frozen=True)
class Spent:
    """What all sessions of a search took together.

    Attributes:
        hours: Wall-clock time.
        device_hours: Hours of each session times its devices: GPUs, or CPU workers where it had none.
        node_hours: Hours of each session times the nodes of its cluster.
    """

    hours: float
    device_hours: float
    node_hours: float


def spent(state: SearchState, now: float | None = None) -> Spent:
    """Adds up the sessions.

    Args:
        state: The search.
        now: Time until which the last session has lasted, in seconds since the epoch; None: until its
            last event.
    """
    hours = device_hours = node_hours = 0.0
    for number, span in enumerate(state.spans, 1):
        ended = max(span.ended, now) if now is not None and number == len(state.spans) else span.ended
        each = max(0.0, ended - span.began) / 3600
        hours += each
        device_hours += each * span.devices
        node_hours += each * span.nodes
    return Spent(hours, device_hours, node_hours)


def reached(limits: LimitsConfig, used: Spent, with_reserve: Spent) -> str | None:
    """The first limit that is reached, in words; None where none is.

    Args:
        limits: As configured.
        used: What was spent.
        with_reserve: The same with what is to be kept back; of that, never more than half of a limit.
    """
    price = limits.price or 0.0
    for name, limit, value, more in (
        ("hours", limits.hours, used.hours, with_reserve.hours),
        ("device_hours", limits.device_hours, used.device_hours, with_reserve.device_hours),
        ("cost", limits.cost, used.node_hours * price, with_reserve.node_hours * price),
    ):
        if limit is not None and value + (reserve := min(more - value, limit / 2)) >= limit:
            kept = f", {reserve:.3g} are kept back for confirmation" if reserve else ""
            return f"limits.{name}: {value:.3g} of {limit:g} are spent{kept}"
    return None
