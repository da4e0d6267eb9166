"""Searches over trainables that are not installed: what their records say is all that is known of them."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from search.record import (
    BaselineMeasured,
    Decided,
    Event,
    RungReached,
    SearchEnded,
    SearchStarted,
    SearchState,
    SessionStarted,
    TrialFinished,
    TrialProposed,
)
from search.record.events import RecordedMetric, RecordedTrainable
from tests.records import BEGIN, make_config
from trainables.interval import Interval

N = 200
STEPS = (10, 30, 90)
Parameters = Mapping[str, Sequence[Any]]
LRS: Parameters = {"lr": (1e-5, 1e-4, 1e-3), "width": (4, 8, 16, 32, 64)}

ACCURACY = RecordedMetric(
    name="accuracy",
    meaning="Share of correct rows.",
    direction="max",
    low=0,
    high=1,
    relative="accuracy_kept",
    sample="rows",
)
SPREAD = RecordedMetric(name="spread", meaning="Of the rows around their centres.", direction="min", low=0)
SPEED = RecordedMetric(
    name="speed", meaning="Rows in a second.", direction="max", low=0, relative="speed_ratio", sample="runs"
)
LATENCY = RecordedMetric(
    name="latency", meaning="Of a row.", direction="min", low=0, high=5, relative="latency_ratio"
)


def described(*metrics: RecordedMetric, **more: Any) -> RecordedTrainable:
    """A trainable whose trials leave nets behind."""
    values: dict[str, Any] = {
        "subject": "a net of rows",
        "artifact": "net",
        "load": 'load_net("{folder}")',
        "form": "ONNX",
        "parameters": ("lr", "width", "seed"),
        "loss_unit": "bits per row",
    }
    return RecordedTrainable(**values | more, metrics=metrics)


KINDS: dict[str, tuple[RecordedTrainable, Parameters]] = {
    "one": (described(ACCURACY, SPREAD), LRS),
    "none": (described(SPREAD), LRS),
    "rising": (described(LATENCY, SPREAD), LRS),
    "two": (
        described(ACCURACY, SPREAD, SPEED, artifact="soft prompt", parameters=("rank", "depth", "seed")),
        {"rank": (2, 4, 8), "depth": (1, 2, 3, 4)},
    ),
}
"""With one metric that is relative to the base, none, one (lower is better), and two; of the last a
search has no learning rate."""


def state_of_kind(kind: str) -> SearchState:
    """The search of a kind."""
    return SearchState.from_events(search_events(*KINDS[kind]))


def search_events(
    trainable: RecordedTrainable, parameters: Parameters, name: str = "toy", repeats: int = 2
) -> list[Event]:
    """A finished grid, of which more of the first parameter learns more and keeps less.

    The scheduler stops a trial, a guard another, and one diverges; the best is repeated.

    Args:
        trainable: What the record says of it.
        parameters: Values by name, two at least.
        name: Of the trainable.
        repeats: Repetitions of trial 1.
    """
    points = [dict(zip(parameters, point, strict=True)) for point in itertools.product(*parameters.values())]
    events = list(_opening(trainable, name, len(points)))
    size = len(next(iter(parameters.values())))
    for number, sampled in enumerate(points):
        share = number * size // len(points) / max(1, size - 1)
        events += _trial(trainable, number, sampled, share)
    for index in range(repeats):
        events += _trial(trainable, len(points) + index, points[1], 0.0, repeats=1)
    return [*events, SearchEnded(reason="finished", recommended=1, time=BEGIN + 900)]


def _opening(trainable: RecordedTrainable, name: str, trials: int) -> Iterator[Event]:
    config = make_config(trials).model_dump(mode="json")
    for section in ("model", "task", "capability"):
        del config[section]
    ratios = [metric for metric in trainable.metrics if metric.relative is not None]
    first, *_ = [*(metric for metric in ratios if metric.direction == "max"), None]
    objectives: list[dict[str, Any]] = [{"metric": "train_loss", "direction": "min"}]
    if first is not None:
        objectives.append({"metric": first.relative, "direction": "max", "floor": 0.95})
    elif trainable.metrics:
        metric = trainable.metrics[0]
        objectives.append({"metric": metric.name, "direction": metric.direction or "min"})
    config |= {"trainable": name, "net": {"table": "rows", "depth": 3}, "objectives": objectives}
    yield SearchStarted(
        search_id="0123456789abcdef",
        config=config,
        fingerprints={"space": "0" * 64},
        versions={"torch": "2.9"},
        trainable=trainable,
        time=BEGIN,
    )
    command = f"python -m search.run space=demo trials={trials}"
    yield SessionStarted(session=0, trials=trials, command=command, host="laptop", pid=4711, time=BEGIN)
    metrics, intervals = _measured(trainable, 0.0, random.Random(0))
    yield BaselineMeasured(
        name="base",
        metrics={"train_loss": 3.5} | metrics,
        intervals=intervals,
        seconds=2.0,
        time=BEGIN + 2,
    )


def _measured(
    trainable: RecordedTrainable, share: float, generator: random.Random
) -> tuple[dict[str, float], dict[str, Interval]]:
    """Of a trial that has a share of the largest first parameter; the base has none."""
    metrics, intervals = {}, {}
    for metric in trainable.metrics:
        low, high = (end if math.isfinite(end) else fallback for end, fallback in _ends(metric))
        base = low + 0.8 * (high - low) if metric.direction == "max" else low + 0.2 * (high - low)
        worse = -1 if metric.direction == "max" else 1
        value = base + worse * share**2 * 0.6 * abs(base - low) + generator.gauss(0, 0.002) * (high - low)
        value = min(high, max(low, value))
        half = 0.03 * (high - low)
        metrics[metric.name] = value
        intervals[metric.name] = Interval(max(low, value - half), min(high, value + half), N)
        if metric.relative is not None:
            metrics[metric.relative] = value / base
            around = intervals[metric.name]
            intervals[metric.relative] = Interval(around.low / base, around.high / base, N)
    return metrics, intervals


def _ends(metric: RecordedMetric) -> tuple[tuple[float, float], tuple[float, float]]:
    low = metric.low if math.isfinite(metric.low) else 1.0
    return (low, low), (metric.high, low + 4.0)


def _trial(
    trainable: RecordedTrainable,
    number: int,
    sampled: Mapping[str, Any],
    share: float,
    repeats: int | None = None,
) -> Iterator[Event]:
    generator, begin = random.Random(number), BEGIN + 3 + 10 * number
    params = dict(sampled)
    yield TrialProposed(
        trial=number,
        sampled=params,
        params=params,
        repeats=repeats,
        origin="searcher" if repeats is None else "confirmation",
        time=begin,
    )
    ended = {2: "scheduler", 5: "guard", 9: "diverged"}.get(number) if repeats is None else None
    for rung, step in enumerate(STEPS):
        if ended is not None and rung == 1:
            yield from _end(number, ended, begin + 6)
            return
        metrics, intervals = _measured(trainable, share, generator)
        loss = 3.0 - share - 0.4 * rung + generator.gauss(0, 0.01)
        yield RungReached(
            trial=number,
            rung=rung,
            step=step,
            metrics={"train_loss": loss} | metrics,
            intervals=intervals,
            curve=[(s, loss + 0.01 * (step - s)) for s in range(step - 5, step + 1)],
            checkpoint=f"trials/{number:04d}/rung-{rung}",
            train_seconds=1.0 + rung,
            eval_seconds=0.5,
            group=f"group-{number % 2}",
            time=begin + 2 * (rung + 1),
        )
    yield TrialFinished(trial=number, status="completed", reason="full budget", time=begin + 8)


def _end(number: int, why: str, time: float) -> Iterator[Event]:
    if why == "diverged":
        reason, status, cause = "the loss became NaN at step 17", "diverged", "diverged"
    elif why == "guard":
        reason, status, cause = "the loss rose to 3 times its least", "stopped", "spike"
        yield Decided(trial=number, rung=0, decision="stop", by="spike", reason=reason, time=time)
    else:
        reason, status, cause = "rank 3 of 3, top 1 go on", "stopped", None
        yield Decided(trial=number, rung=0, decision="stop", reason=reason, time=time)
    yield TrialFinished(
        trial=number,
        status=status,  # type: ignore[arg-type]
        reason=reason,
        failure_class=cause,
        metrics={"train_loss": math.nan} if why == "diverged" else {},
        time=time,
    )
