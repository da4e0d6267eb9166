"""Searches that a conductor leads without Ray, one trial at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from search.conductor import Conductor
from search.config.schema import SearchConfig
from search.record import BaselineMeasured, Event, SearchStarted
from search.record.clock import now
from search.schedulers import make_scheduler
from search.searchers import make_searcher
from search.space import SearchSpace
from trainables.interval import Interval
from trainables.messages import FrontRequest, Reply, TrialRequest

BASE = BaselineMeasured(name="base", metrics={"capability": 0.8, "train_loss": 4.0}, seconds=0.1)
LENIENT = [
    {"metric": "train_loss", "direction": "min"},
    {"metric": "retention", "direction": "max", "floor": 0.2},
]
COSTLY = {"skills": [{"name": "s", "path": "s.jsonl"}, {"name": "costly", "path": "d.jsonl", "at": "front"}]}


def configure(searcher: str = "tpe", trials: int = 9, **changes: Any) -> SearchConfig:
    """One bracket of successive halving, without confirmation unless it is asked for."""
    values = {
        "space": "test",
        "name": "test",
        "trials": trials,
        "model": {"name": "m", "source": "embedded"},
        "task": {"name": "t", "train": "t.jsonl"},
        "capability": {"skills": [{"name": "s", "path": "s.jsonl"}]},
        "parameters": {
            "lr": {"type": "log-float", "low": 1e-5, "high": 1e-2, "points": 4},
            "rank": {"type": "categorical", "choices": (4, 8)},
        },
        "budget": {"steps": 27},
        "searcher": {"name": searcher} | ({"startup": 4} if searcher == "tpe" else {}),
        "scheduler": {"name": "asha"},
        "guards": {"retention": None, "degeneration": None},
        "confirm": {"candidates": 0},
    }
    return SearchConfig.model_validate(values | changes)


def train(request: TrialRequest) -> Reply:
    """What a worker would answer: a smooth stand-in for training, a function of the request alone."""
    lr = float(request.params["lr"] or 0)
    if isinstance(request, FrontRequest):
        kept = f"{request.load_from}.front.items.parquet"
        right = {"dear_generation": 0.5 - lr}
        return Reply("ok", step=request.from_step, metrics=right, eval_seconds=3.0, items_file=kept)
    if lr > 8e-3:
        return Reply("diverged", "loss nan", step=request.from_step + 1, metrics={"train_loss": math.nan})
    loss = 4 - 0.4 * math.log10(lr / 1e-5) * (request.to_step / 27) ** 0.3
    capability = 0.8 / (1 + (lr / 3e-3) ** 2)
    reply = Reply(
        "ok",
        step=request.to_step,
        metrics={"train_loss": loss, "capability": capability},
        intervals={"capability": Interval(capability - 0.05, capability + 0.05, 200)},
        checkpoint=request.save_to,
        train_seconds=1.0,
        eval_seconds=0.1,
        eval_parts={"heldout": 0.06, "generation": 0.04},
        items_file=f"{request.save_to}.items.parquet",
        tokens=64 * (request.to_step - request.from_step),
        padding=0.125,
        pack=2.5,
    )
    return reply if request.measures(reply.train_seconds) else reply.of_training()


def make(config: SearchConfig, record: list[Event], clock: Callable[[], float] = now) -> Conductor:
    space = SearchSpace(config.parameters, config.fixed)
    searcher, scheduler = make_searcher(config, space), make_scheduler(config)
    return Conductor(config, space, searcher, scheduler, record.append, list(record), clock)


def begun(config: SearchConfig, record: list[Event], clock: Callable[[], float] = now) -> Conductor:
    """A conductor whose search has begun, and the base model been measured."""
    conductor = make(config, record, clock)
    first = SearchStarted(search_id="s", config=config.model_dump(mode="json"), fingerprints={}, versions={})
    for event, there in ((first, conductor.state.started), (BASE, conductor.state.baselines)):
        if not there:
            record.append(event.model_copy(update={"time": clock()}))
            conductor.state.apply(record[-1])
    return conductor


def conduct(config: SearchConfig, record: list[Event], events_at_most: int | None = None) -> Conductor:
    """Runs one trial at a time until the search is finished or the record is long enough to be cut."""
    conductor = begun(config, record)
    while not conductor.finished and (events_at_most is None or len(record) < events_at_most):
        number = conductor.next_trial()
        if number is None:
            break
        while conductor.report(number, train(conductor.request(number))):
            pass
    return conductor


def timeless(record: list[Event]) -> list[dict[str, object]]:
    return [event.model_dump(mode="json", exclude={"time"}) for event in record]
