"""Records of plausible searches, for tests: made from a formula, not measured."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from search.config.schema import SearchConfig
from search.record import (
    BaselineMeasured,
    Decided,
    Event,
    RecordWriter,
    RungReached,
    SearchEnded,
    SearchStarted,
    SessionStarted,
    TrialFinished,
    TrialProposed,
)
from search.record.events import Origin
from trainables.evaluation.intervals import wilson
from trainables.interval import Interval

BEGIN = 1_700_000_000.0
QUESTIONS = 240
SKILLS = ("facts", "arithmetic", "format")
BASE = {"facts": 0.95, "arithmetic": 0.9, "format": 1.0}


def make_config(trials: int = 16, **changes: Any) -> SearchConfig:
    """A valid configuration of a search named "demo" over lr, rank and alpha."""
    values: dict[str, Any] = {
        "space": "demo",
        "name": "demo",
        "trials": trials,
        "model": {"name": "embedded", "source": "embedded"},
        "task": {"name": "domain", "train": "domain.jsonl"},
        "capability": {"skills": [{"name": name, "path": f"{name}.jsonl"} for name in SKILLS]},
        "parameters": {
            "lr": {"type": "log-float", "low": 1e-5, "high": 1e-2},
            "rank": {"type": "categorical", "choices": [2, 4, 8, 16, 32]},
            "alpha_per_rank": {"type": "categorical", "choices": [1, 2, 4]},
        },
        "budget": {"steps": 90, "rungs": 3, "eta": 3},
    }
    return SearchConfig.model_validate(values | changes)


def make_reading_config(**changes: Any) -> SearchConfig:
    """A valid configuration of a search that measures mode collapse."""
    values: dict[str, Any] = {
        "space": "reading",
        "name": "reading",
        "trainable": "reconstruction",
        "trials": 4,
        "model": {"name": "embedded", "source": "embedded"},
        "task": {"name": "reading", "train": "reading.jsonl"},
        "parameters": {"lr": {"type": "log-float", "low": 1e-5, "high": 1e-2}},
        "objectives": [{"metric": "f1", "direction": "max"}],
        "budget": {"steps": 90, "rungs": 3, "eta": 3},
    }
    return SearchConfig.model_validate(values | changes)


def make_events(trials: int = 16, seed: int = 0, config: SearchConfig | None = None) -> list[Event]:
    """The events of a whole search of `trials` trials, two at a time, stopped early as `asha` does."""
    return list(_Simulation(config or make_config(trials), trials, seed).events())


def write_record(folder: Path, events: list[Event]) -> None:
    """Writes a record as a search does."""
    with RecordWriter(folder) as record:
        for event in events:
            record.append(event)


def trial_events(
    trial: int,
    metrics: dict[str, float],
    intervals: dict[str, Interval] | None = None,
    sampled: dict[str, Any] | None = None,
    time: float = BEGIN,
    repeats: int | None = None,
    train_seconds: float = 3.0,
) -> list[Event]:
    """A trial that was measured once, at the full budget of 90 steps, and completed."""
    sampled = {"lr": 1e-3, "rank": 8} if sampled is None else sampled
    origin: Origin = "searcher" if repeats is None else "confirmation"
    return [
        TrialProposed(
            trial=trial, sampled=sampled, params=sampled, origin=origin, repeats=repeats, time=time
        ),
        RungReached(
            trial=trial,
            rung=2,
            step=90,
            metrics=metrics,
            intervals=intervals or {},
            checkpoint=f"trials/{trial:04d}/rung-2",
            train_seconds=train_seconds,
            eval_seconds=1.0,
            time=time + 4,
        ),
        TrialFinished(trial=trial, status="completed", reason="full budget", time=time + 4),
    ]


def guarded_events(trial: int, guard: str, reason: str, time: float = BEGIN) -> list[Event]:
    """A trial that a guard ended at its first rung, step 10."""
    proposed, reached, _ = trial_events(trial, {"train_loss": 2.0, "retention": 0.5}, time=time)
    assert isinstance(reached, RungReached)
    return [
        proposed,
        reached.model_copy(update={"rung": 0, "step": 10}),
        Decided(trial=trial, rung=0, decision="stop", by=guard, reason=reason, time=time + 4),
        TrialFinished(trial=trial, status="stopped", reason=reason, failure_class=guard, time=time + 4),
    ]


def completed_events(
    number: int,
    sampled: dict[str, Any],
    metrics: Mapping[str, float],
    intervals: Mapping[str, Interval],
    items: Mapping[str, str] | None = None,
) -> list[Event]:
    """A trial that was measured once, at its full budget, with its checkpoint and file of items."""
    begin, place = BEGIN + 10 * number, f"trials/{number:04d}/rung-2"
    return [
        TrialProposed(trial=number, sampled=sampled, params=sampled, time=begin),
        RungReached(
            trial=number,
            rung=2,
            step=90,
            metrics=dict(metrics),
            intervals=dict(intervals),
            items=dict(items or {}),
            checkpoint=place,
            items_file=f"{place}.items.parquet",
            train_seconds=3.0,
            eval_seconds=1.0,
            time=begin + 4,
        ),
        TrialFinished(trial=number, status="completed", reason="full budget", time=begin + 5),
    ]


def opening_events(config: SearchConfig | None = None) -> list[Event]:
    """The start of a search, its first session and its base model."""
    config = config or make_config()
    return [
        SearchStarted(
            search_id="0123456789abcdef",
            config=config.model_dump(mode="json"),
            fingerprints={"space": "0" * 64},
            versions={},
            time=BEGIN,
        ),
        SessionStarted(
            session=0,
            trials=config.trials,
            command=f"python -m search.run space={config.space} trials={config.trials}",
            host="laptop",
            pid=4711,
            time=BEGIN,
        ),
        BaselineMeasured(
            name="base",
            metrics={"heldout_loss": 4.1, "capability": 0.95, "retention": 1.0}
            | {f"{name}_generation": value for name, value in BASE.items()},
            intervals={"capability": _interval(0.95)},
            seconds=1.2,
            time=BEGIN + 2,
        ),
    ]


def _interval(share: float, scale: float = 1.0) -> Interval:
    found = wilson(round(share * QUESTIONS), QUESTIONS)
    return Interval(low=found.low / scale, high=found.high / scale, n=QUESTIONS)


class _Simulation:
    """Loss falls with lr and steps; capability breaks where lr is large."""

    def __init__(self, config: SearchConfig, trials: int, seed: int) -> None:
        self._config = config
        self._trials = trials
        self._random = random.Random(seed)
        self._time = BEGIN + 2.0
        self._ranks: list[list[tuple[float, float]]] = [[] for _ in config.budget.rung_steps]

    def events(self) -> Iterator[Event]:
        yield from opening_events(self._config)
        waiting = list(range(self._trials))
        active: list[Iterator[list[Event]]] = []
        while waiting or active:
            while waiting and len(active) < 2:
                active.append(self._trial(waiting.pop(0)))
            trial = active.pop(0)
            batch = next(trial, None)
            if batch is not None:
                yield from batch
                active.append(trial)
        yield SearchEnded(reason="finished", time=self._now(0.1))

    def _now(self, seconds: float) -> float:
        self._time += seconds
        return self._time

    def _trial(self, number: int) -> Iterator[list[Event]]:
        lr = 10 ** self._random.uniform(-5, -2)
        rank, alpha = self._random.choice([2, 4, 8, 16, 32]), self._random.choice([1, 2, 4])
        sampled = {"lr": lr, "rank": rank, "alpha_per_rank": alpha}
        params = sampled | {"alpha": alpha * rank, "dropout": 0.0, "seed": number}
        yield [TrialProposed(trial=number, sampled=sampled, params=params, time=self._now(0.05))]
        for rung, step in enumerate(self._config.budget.rung_steps):
            if lr > 6e-3:
                reason = f"the loss became NaN at step {step - 3}"
                metrics = {"train_loss": math.nan}
                yield [self._finished(number, "diverged", reason, "diverged", metrics)]
                return
            reached = self._rung(number, rung, step, lr)
            if rung == self._config.budget.rungs - 1:
                yield [reached, self._finished(number, "completed", "full budget")]
                return
            batch, goes_on = self._decide(reached)
            yield batch
            if not goes_on:
                return

    def _rung(self, number: int, rung: int, step: int, lr: float) -> RungReached:
        learned = 1 - math.exp(-step * lr * 20)
        loss = 4.1 - 2.3 * learned + self._random.gauss(0, 0.03)
        broken = max(0.0, math.log10(lr / 6e-4)) * min(1.0, step / 60)
        skills = {
            name: min(1.0, max(0.0, value * (1 - 0.6 * broken) + self._random.gauss(0, 0.012)))
            for name, value in BASE.items()
        }
        capability = sum(skills.values()) / len(skills)
        return RungReached(
            trial=number,
            rung=rung,
            step=step,
            metrics={
                "train_loss": loss,
                "heldout_loss": loss + 0.1,
                "capability": capability,
                "retention": capability / 0.95,
            }
            | {f"{name}_generation": value for name, value in skills.items()},
            intervals={"capability": _interval(capability), "retention": _interval(capability, 0.95)},
            curve=[(step - 1, loss + 0.02), (step, loss - 0.01)],
            checkpoint=f"trials/{number:04d}/rung-{rung}",
            train_seconds=0.04 * step,
            eval_seconds=0.6,
            group="group-0",
            time=self._now(0.02 * step + 0.3),
        )

    def _decide(self, reached: RungReached) -> tuple[list[Event], bool]:
        ranks = self._ranks[reached.rung]
        own = max(0.0, 0.95 - reached.intervals["retention"].high), reached.metrics["train_loss"]
        ranks.append(own)
        rank, kept = sum(other < own for other in ranks) + 1, len(ranks) // 3
        goes_on = kept == 0 or rank <= kept
        reason = f"rank {rank} of {len(ranks)}, top {kept} continue"
        decided = Decided(
            trial=reached.trial,
            rung=reached.rung,
            decision="continue" if goes_on else "stop",
            reason=reason,
            time=self._now(0.01),
        )
        if goes_on:
            return [reached, decided], True
        return [reached, decided, self._finished(reached.trial, "stopped", reason)], False

    def _finished(
        self,
        number: int,
        status: Any,
        reason: str,
        failure_class: str | None = None,
        metrics: dict[str, float] | None = None,
    ) -> TrialFinished:
        return TrialFinished(
            trial=number,
            status=status,
            reason=reason,
            failure_class=failure_class,
            metrics=metrics or {},
            time=self._now(0.01),
        )
