"""Ends trials that have surely lost what the base could do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from search.config.schema import SearchConfig
from search.guards.base import Guard, register
from search.judging.relative import relative_metrics
from search.record import RungReached, SearchState
from trainables.trainable import MetricSpec


class _Bound(NamedTuple):
    """What a ratio to the base must not lie below, or above where lower is better."""

    ratio: str
    value: float
    above: bool
    sample: str


@register(
    "retention",
    "the whole 95% interval of retention, or of another ratio to the base model, breaks its bound",
    kind=Annotated[float, Field(gt=0, le=1)] | Literal["floor"],
    default="floor",
    accept="accept less with a lower guards.retention",
)
def retention_guard(config: SearchConfig, given: float | Literal["floor"]) -> Guard | None:
    """Bounds every ratio to the base, such as `retention`, with its whole 95% interval.

    No ratio may lie below `given`, or above 1 divided by it where lower is better; "floor" is the bound of
    the ratio's objective. Nothing is guarded where no ratio has a bound.
    """
    bounds = list(_bounds(config, given, relative_metrics(config.metrics)))
    if not bounds:
        return None

    def lost(rung: RungReached, state: SearchState) -> str | None:
        return next((reason for bound in bounds if (reason := _reason(bound, rung)) is not None), None)

    return lost


def _bounds(
    config: SearchConfig, given: float | Literal["floor"], relative: Mapping[str, MetricSpec]
) -> Iterator[_Bound]:
    """The configured floor, which of what is minimised is turned into a ceiling, or that of the objective."""
    objectives = {objective.metric: objective for objective in config.objectives}
    for ratio, metric in relative.items():
        above = metric.direction == "min"
        if given != "floor":
            yield _Bound(ratio, 1 / given if above else given, above, metric.sample)
        elif (objective := objectives.get(ratio)) is not None:
            value = objective.ceiling if above else objective.floor
            if value is not None:
                yield _Bound(ratio, value, above, metric.sample)


def _reason(bound: _Bound, rung: RungReached) -> str | None:
    interval = rung.intervals.get(bound.ratio)
    if interval is None or not (interval.low > bound.value if bound.above else interval.high < bound.value):
        return None
    return (
        f"{bound.ratio} {rung.metrics[bound.ratio]:.3g} [{interval.low:.3g}, {interval.high:.3g}] "
        f"over {interval.n} {bound.sample} lies {'above' if bound.above else 'below'} {bound.value:g} with "
        "its whole 95% interval"
    )
