"""Ends trials that say the same whatever they are given, where the base model did not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, NamedTuple

from pydantic import Field

from search.config.schema import SearchConfig
from search.guards.base import Guard, register
from search.record import RungReached, SearchState
from trainables.evaluation.collapse import COMMONEST, FIRST_ENTROPY, LATENT_COSINE, UNIQUE
from trainables.settings import Section, Share


class ModeCollapse(Section):
    """Bounds of mode collapse; null leaves one out.

    Attributes:
        unique: Least ratio of different replies to the base model's, which itself answers differently.
        latent_cosine: Greatest cosine between what the model reads of different inputs.
        first_entropy: Greatest entropy of a reply's first token, in nats.
    """

    unique: Share | None = 0.2
    latent_cosine: Annotated[float, Field(gt=-1, le=1)] | None = 0.95
    first_entropy: Annotated[float, Field(gt=0, le=1000)] | None = 7.0


class _Bound(NamedTuple):
    """What a metric must not lie below, or above."""

    metric: str
    value: float
    above: bool
    words: str


@register(
    "mode_collapse",
    "the same replies, or the same latents, whatever the input, where the base model differs",
    kind=ModeCollapse,
    default=ModeCollapse(),
    accept="accept it with guards.mode_collapse=null, or with other bounds in guards.mode_collapse",
)
def mode_collapse_guard(config: SearchConfig, given: ModeCollapse) -> Guard | None:
    """Bounds what a model says and reads of different inputs.

    A bound is broken where the whole 95% interval lies beyond it; a bound that the base model breaks itself,
    such as in a task with few different answers, does not count. Nothing is guarded in searches without such
    metrics.
    """
    measured = {metric.name for metric in config.metrics}
    if measured.isdisjoint((UNIQUE, LATENT_COSINE, FIRST_ENTROPY)):
        return None

    def collapsed(rung: RungReached, state: SearchState) -> str | None:
        base = state.baselines.get("base")
        before = base.metrics if base else {}
        reasons = (_reason(bound, rung, before.get(bound.metric)) for bound in _bounds(given, before))
        first = next((reason for reason in reasons if reason is not None), None)
        if first is None:
            return None
        commonest = rung.metrics.get(COMMONEST)
        share = "" if commonest is None else f"; the commonest reply is {commonest:.0%} of all"
        return f"mode collapse: {first}{share}"

    return collapsed


def _bounds(given: ModeCollapse, base: dict[str, float]) -> Iterator[_Bound]:
    if given.unique is not None and UNIQUE in base:
        yield _Bound(UNIQUE, given.unique * base[UNIQUE], False, "different replies per question are")
    if given.latent_cosine is not None:
        yield _Bound(LATENT_COSINE, given.latent_cosine, True, "the cosine between different inputs is")
    if given.first_entropy is not None:
        yield _Bound(FIRST_ENTROPY, given.first_entropy, True, "the entropy of the first token is")


def _reason(bound: _Bound, rung: RungReached, base: float | None) -> str | None:
    interval = rung.intervals.get(bound.metric)
    if interval is None or (bound.above and base is not None and base > bound.value):
        return None
    if not (interval.low > bound.value if bound.above else interval.high < bound.value):
        return None
    beyond = "above" if bound.above else "below"
    return (
        f"{bound.words} {rung.metrics[bound.metric]:.3g} [{interval.low:.3g}, {interval.high:.3g}] over "
        f"{interval.n}, {beyond} {bound.value:.3g} with the whole 95% interval"
    )
