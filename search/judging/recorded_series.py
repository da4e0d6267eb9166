"""A recorded metric with its noise: items one by one, or intervals over them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from search.judging.constraints import bound_of
from search.judging.noise import Array, Series
from search.judging.objectives import objectives_of
from search.judging.paired import Pairs, ratio_of_means, ratio_of_pairs
from search.record import BaselineMeasured, RungReached, SearchState
from search.record.events import RecordedMetric
from search.record.explained import metric_of, trainable_of
from trainables.interval import Interval
from trainables.trainable import BASE

_NEAR = 1e-6
"""A share that differs more from the mean of its items is no such mean."""
_ROUNDED = 1e-5
"""The same of numbers, which are recorded with 6 digits, in units of the largest."""


def measured_series(
    state: SearchState,
    metric: str,
    coefficient: float,
    events: Sequence[RungReached | BaselineMeasured],
    group: int | None,
) -> Series:
    """A metric of these measurements, with its items where it is the mean of shares of them.

    Args:
        state: A search that has begun.
        metric: Measured in all the events.
        coefficient: As in `Series`.
        events: Trials' rungs, or a baseline alone.
        group: As in `Series`.
    """
    values = np.array([event.metrics[metric] for event in events])
    described = metric_of(trainable_of(state), metric)
    together = 1 if described is None else described.together
    items = _items(described, metric, events, values, together)
    if items:
        return Series(coefficient, values, group, items, together)
    if described is not None and (ratio := _ratio(state, described, metric, events, values)) is not None:
        divided, around, unit = ratio
        return Series(coefficient, values, group, divided, together, around=around, unit=unit)
    if described is not None and (numbers := _numbers(described, metric, events, values)) is not None:
        declared = described.low >= 0 and described.high <= 1
        supposed = not declared and _seems_a_share(state, metric)
        items = ((described.over[0] if len(described.over) == 1 else metric, numbers),)
        unbounded = not declared and not supposed
        return Series(coefficient, values, group, items, unbounded=unbounded, supposed=supposed)
    intervals = [_interval(state, described, metric, event) for event in events]
    known = tuple(each for each in intervals if each is not None and each.low <= each.high)
    return Series(coefficient, values, group, intervals=known if len(known) == len(events) else ())


def _seems_a_share(state: SearchState, metric: str) -> bool:
    """Whether all that the search has recorded of a metric, of any model, are zeros and ones.

    A metric of the user's has no range. Those of a few runs alone would make it a share of some candidates,
    and not of others. A floor or ceiling beyond 0 and 1 says that it is none.
    """
    bounds = [bound_of(each) for each in objectives_of(state) if each.metric == metric]
    if any(bound is not None and not 0 <= bound <= 1 for bound in bounds):
        return False
    measured = itertools.chain(state.baselines.values(), *(trial.rungs for trial in state.trials.values()))
    return all(
        {0.0, 1.0}.issuperset(event.values.get(metric, ()))
        and not abs(event.metrics.get(metric, 0) - 0.5) > 0.5
        for event in measured
    )


def _items(
    described: RecordedMetric | None,
    metric: str,
    events: Sequence[RungReached | BaselineMeasured],
    values: Array,
    together: int,
) -> tuple[tuple[str, Array], ...]:
    if described is not None and described.name != metric:
        return ()  # a ratio
    names = described.items if described is not None and described.items else (metric,)
    over = described.over if described is not None and len(described.over) == len(names) else names
    lengths = [{len(event.items.get(name, "")) for event in events} for name in names]
    if any(len(length) > 1 or 0 in length or max(length) % together for length in lengths):
        return ()
    outcomes = [np.array([_bits(event.items[name]) for event in events]) for name in names]
    shares = np.mean([bits.mean(axis=1) for bits in outcomes], axis=0)
    if np.abs(shares - values).max() > _NEAR:
        return ()
    means = [bits.reshape(len(events), -1, together).mean(axis=2) for bits in outcomes]
    return tuple(zip(over, means, strict=True))


def _ratio(
    state: SearchState,
    described: RecordedMetric,
    metric: str,
    events: Sequence[RungReached | BaselineMeasured],
    values: Array,
) -> tuple[tuple[tuple[str, Array], ...], Interval, float] | None:
    """Of a ratio to the base: outcomes divided by the base's mean, the mean ratio's interval, and the unit.

    Between the trials, the items of the ratio differ as t / B does: the base's own are the same for all.
    """
    base, names = state.baselines.get(BASE), described.items
    if described.name == metric or base is None or not names or base in events:
        return None
    texts = [(base.items.get(name, ""), [event.items.get(name, "") for event in events]) for name in names]
    if any(not text or {len(text)} != set(map(len, tuned)) for text, tuned in texts):
        return None
    scale = base.metrics.get(described.name, 0.0)
    if not scale > 0:
        return None
    over = described.over if len(described.over) == len(names) else names
    divided = tuple(
        (name, np.array([_bits(text) for text in tuned]) / scale)
        for name, (_, tuned) in zip(over, texts, strict=True)
    )
    means = np.mean([outcomes.mean(axis=1) for _, outcomes in divided], axis=0)
    if np.abs(means - values).max() > _NEAR * max(1.0, 1 / scale):
        return None
    return divided, ratio_of_pairs([Pairs.over(text, tuned) for text, tuned in texts]), 1 / scale


def _numbers(
    described: RecordedMetric, metric: str, events: Sequence[RungReached | BaselineMeasured], values: Array
) -> Array | None:
    """The number of each item, shape (T, n), where the metric is their mean."""
    lengths = {len(event.values.get(metric, ())) for event in events}
    if len(lengths) > 1 or not lengths - {0}:
        return None
    numbers = np.array([event.values[metric] for event in events])
    near = _ROUNDED * float(np.abs(numbers).max())
    return None if np.abs(numbers.mean(axis=1) - values).max() > near else numbers


def _bits(text: str) -> Array:
    bits: Array = (np.frombuffer(text.encode(), dtype=np.uint8) == ord("1")).astype(np.float64)
    return bits


def _interval(
    state: SearchState,
    described: RecordedMetric | None,
    metric: str,
    event: RungReached | BaselineMeasured,
) -> Interval | None:
    """As recorded; of a baseline's ratio to the base, item by item."""
    if metric in event.intervals or described is None or described.name == metric:
        return event.intervals.get(metric)
    base = state.baselines.get(BASE)
    if base is None or not described.items or event is base:
        return None
    pairs = [(base.items.get(name, ""), event.items.get(name, "")) for name in described.items]
    return ratio_of_means(pairs) if all(a and len(a) == len(b) for a, b in pairs) else None
