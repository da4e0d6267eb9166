"""References that are measured before any trial: which, and what becomes of their measurements."""

from __future__ import annotations

import math

from search.config.schema import SearchConfig
from search.errors import TightropeError
from search.judging.relative import relative_metrics, with_ratios
from search.record import BaselineMeasured, SearchState
from trainables.measured import Measured
from trainables.messages import GroupFacts, Reply
from trainables.specs import TRAINABLES
from trainables.trainable import BASE, MetricSpec


def missing_baselines(config: SearchConfig, state: SearchState) -> list[str]:
    """Baselines that are yet to be measured: the base, which others are compared with, comes first."""
    base = [BASE] if BASE in TRAINABLES[config.trainable].baselines else []
    return [name for name in dict.fromkeys((*base, *config.baselines)) if name not in state.baselines]


def shown_baseline(name: str) -> str:
    """A baseline as a sentence about it begins."""
    return "The base model" if name == BASE else f"The baseline {name}"


def baseline_event(
    config: SearchConfig, name: str, reply: Reply, facts: GroupFacts, state: SearchState
) -> BaselineMeasured:
    """The event of a baseline that was measured, with its ratios to the base.

    Raises:
        TightropeError: It is the base, and a metric that trials are to be compared in is not above 0.
    """
    relative = relative_metrics(config.metrics)
    if name == BASE:
        for ratio, metric in relative.items():
            _refuse_nothing(metric, ratio, reply)
        ratios = {ratio: 1.0 for ratio, metric in relative.items() if metric.name in reply.metrics}
        metrics = reply.metrics | ratios
    else:
        metrics = with_ratios(reply.metrics, state.baselines.get(BASE), relative)
    return BaselineMeasured(
        name=name,
        items=reply.items,
        fingerprints={"model": facts.model_fingerprint, "data": facts.data_fingerprint},
        seconds=reply.eval_seconds,
        data=dict(facts.data),
        **(reply.as_fields(Measured) | {"metrics": metrics}),
    )


def _refuse_nothing(metric: MetricSpec, ratio: str, reply: Reply) -> None:
    """Nothing can be compared with 0 or with what is no number."""
    value = reply.metrics.get(metric.name, 0.0)
    if not 0.0 < value < math.inf:
        raise TightropeError(
            f"The base model's {metric.name} is {value:g}, so there is no {metric.name} to retain.",
            hint=f"Choose {metric.sample} that the base model can do; {ratio} is a share of that.",
        )
