"""Ends trials whose replies repeat themselves or do not end, where the base model's did."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from search.config.schema import SearchConfig
from search.guards.base import Guard, register
from search.judging.paired import difference
from search.record import RungReached, SearchState
from trainables.messages import DEGENERATE


@register(
    "degeneration",
    "significantly more degenerate replies than the base model, by more than allowed",
    kind=Annotated[float, Field(ge=0, lt=1)],
    default=0.25,
    accept="accept more with a larger guards.degeneration",
)
def degeneration_guard(config: SearchConfig, most: float) -> Guard | None:
    """Bounds the rise of the share of degenerate replies over the base model's.

    Degenerate replies repeat themselves or do not end. The rise is counted with the 95% interval of the
    paired difference. Nothing is guarded where no replies are generated.
    """
    if all(metric.name != DEGENERATE for metric in config.metrics):
        return None

    def risen(rung: RungReached, state: SearchState) -> str | None:
        base = state.baselines.get("base")
        before, now = base.items.get(DEGENERATE, "") if base else "", rung.items.get(DEGENERATE, "")
        if not now or len(before) != len(now):
            return None  # nothing was generated, or nothing to pair with
        interval = difference(before, now)
        if not interval.low > most:
            return None
        share, of_base = (bits.count("1") / len(bits) for bits in (now, before))
        return (
            f"{share:.0%} of {interval.n} replies repeat themselves or do not end, {of_base:.0%} of the base "
            f"model's: a rise by {share - of_base:.2f} [{interval.low:.2f}, {interval.high:.2f}], more than "
            f"{most:g} with its whole 95% interval"
        )

    return risen
