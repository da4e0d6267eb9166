"""Ends trials that say the same whatever they are given, where the base model does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, NamedTuple

from pydantic import Field

from search.config.schema import SearchConfig
from search.guards.base import Guard, register
from search.record import RungReached, SearchState
from trainables.evaluation.collapse import (
    COMMONEST,
    FIRST_ENTROPY,
    LATENT_COSINE,
    MOST_ALIKE,
    MOST_ENTROPY,
    UNIQUE,
)


class _Bound(NamedTuple):
    """What a metric must not lie below, or above."""

    metric: str
    value: float
    above: bool


@register(
    "mode_collapse",
    "hardly any different replies where the base model's differ, or the same latents whatever the input",
    kind=Annotated[float, Field(ge=0, lt=1)],
    default=0.2,
    accept="accept fewer different replies with a lower guards.mode_collapse",
)
def mode_collapse_guard(config: SearchConfig, least: float) -> Guard | None:
    """Bounds what a model says and reads of different inputs.

    The share of unique replies may not lie below `least` times the base model's. The cosine between latents
    of different inputs and the entropy of the first token have bounds of their own, which do not count where
    the base model breaks them. A bound is broken where the whole 95% interval lies beyond it. Nothing is
    guarded in searches without such metrics.
    """
    measured = {metric.name for metric in config.metrics}
    if measured.isdisjoint((UNIQUE, LATENT_COSINE, FIRST_ENTROPY)):
        return None

    def collapsed(rung: RungReached, state: SearchState) -> str | None:
        base = state.baselines.get("base")
        bounds = _bounds(least, base.metrics if base else {})
        return next((reason for bound in bounds if (reason := _reason(bound, rung)) is not None), None)

    return collapsed


def _bounds(least: float, base: Mapping[str, float]) -> Iterator[_Bound]:
    if UNIQUE in base:
        yield _Bound(UNIQUE, least * base[UNIQUE], False)
    for metric, most in ((LATENT_COSINE, MOST_ALIKE), (FIRST_ENTROPY, MOST_ENTROPY)):
        if base.get(metric, most) <= most:
            yield _Bound(metric, most, True)


def _reason(bound: _Bound, rung: RungReached) -> str | None:
    interval = rung.intervals.get(bound.metric)
    if interval is None or not (interval.low > bound.value if bound.above else interval.high < bound.value):
        return None
    commonest = rung.metrics.get(COMMONEST)
    return (
        f"mode collapse: {bound.metric} {rung.metrics[bound.metric]:.3g} [{interval.low:.3g}, "
        f"{interval.high:.3g}] over {interval.n} lies {'above' if bound.above else 'below'} "
        f"{bound.value:.3g} with its whole 95% interval"
        + ("" if commonest is None else f"; the commonest reply is {commonest:.0%} of all")
    )
