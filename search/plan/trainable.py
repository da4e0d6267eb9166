"""What the trainable itself says of a search, before anything is started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from search.config.schema import SearchConfig
from search.config.space import CategoricalParameter, ExpressionParameter, Parameter
from search.errors import ConfigError, Problem, RecordError
from search.plan.model import Slots
from search.record import SearchState, TrialState, read_events
from search.record.files import EVENTS
from search.space import SearchSpace
from trainables.planning import (
    PlannedWorkers,
    PlanRefusedError,
    PlanRequest,
    RecordedRung,
    RecordedSearch,
    TrainablePlan,
)
from trainables.specs import TRAINABLES


def planned_by_trainable(
    config: SearchConfig, space: SearchSpace, trials: list[BaseModel], slots: Slots
) -> TrainablePlan:
    """The trainable's part of a plan; empty where it makes none.

    Args:
        config: The search.
        space: Its space.
        trials: Parameters of the first trials; without any, time and memory are not estimated.
        slots: What trials would run on.

    Raises:
        ConfigError: The trainable sees that the search could not be trained.
    """
    plan = TRAINABLES[config.trainable].plan
    if plan is None:
        return TrainablePlan()
    workers = PlannedWorkers(
        workers=slots.workers_per_group,
        cpus=slots.cpus,
        gpus=slots.gpus,
        least_slots=slots.least_per_group,
        most_slots=slots.most_per_group,
        zero_stage=config.workers.zero_stage,
        micro_batch=config.workers.micro_batch,
        gradient_checkpointing=config.workers.gradient_checkpointing,
    )
    request = PlanRequest(
        options=config.options,
        seed=config.seed,
        trials=trials,
        possible=_possible(config, space),
        searched=frozenset(space.parameters),
        workers=workers,
        history=recorded_searches(config) if trials else (),
        baselines=config.baselines,
    )
    with _as_problems():
        planned: TrainablePlan = plan(request)
        return planned


def inspect_data(config: SearchConfig) -> None:
    """Has the trainable look into the data themselves, as a search does before it starts.

    Raises:
        ConfigError: The trainable sees that the search must not be run.
    """
    with _as_problems():
        TRAINABLES[config.trainable].inspect(config.options, config.seed, config.baselines)


@contextmanager
def _as_problems() -> Iterator[None]:
    try:
        yield
    except PlanRefusedError as error:
        problems = [Problem(key, text, error.where, hint) for key, text, hint in error.findings]
        raise ConfigError(problems) from error


def _possible(config: SearchConfig, space: SearchSpace) -> dict[str, list[Any]]:
    """Per parameter the values that trials may have; the ends of a range."""
    values: dict[str, list[Any]] = {}
    for name, field in TRAINABLES[config.trainable].parameters.model_fields.items():
        parameter: Parameter | None = space.parameters.get(name)
        if isinstance(parameter, CategoricalParameter):
            values[name] = list(parameter.choices)
        elif parameter is not None and not isinstance(parameter, ExpressionParameter):
            values[name] = list(dict.fromkeys((parameter.low, parameter.high)))
        elif name in space.fixed or not field.is_required():
            values[name] = [space.fixed.get(name, field.default)]
    return values


_RECORDS = 5
_LARGEST = 20 * 2**20
_SAME = ("workers", "cpus", "gpus", "zero_stage")


def recorded_searches(config: SearchConfig) -> list[RecordedSearch]:
    """Those among the newest records below `out` with the same trainable on as many workers and CPUs."""
    searches = []
    for folder in _newest(Path(config.out)):
        state = _read(folder)
        if state is None or state.started is None or not _is_alike(state.started.config, config):
            continue
        rungs = [rung for trial in state.trials.values() for rung in _rungs(trial)]
        searches.append(RecordedSearch(state.started.config, rungs))
    return searches


def _rungs(trial: TrialState) -> Iterator[RecordedRung]:
    steps = pairwise((0, *(rung.step for rung in trial.rungs)))
    for rung, (before, step) in zip(trial.rungs, steps, strict=True):
        took = rung.eval_seconds if rung.measured else None
        yield RecordedRung(trial.params, step - before, rung.tokens, rung.train_seconds, took)


def _newest(out: Path) -> list[Path]:
    records = [path for path in out.glob(f"*/{EVENTS}") if path.stat().st_size <= _LARGEST]
    records.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    return [path.parent for path in records[:_RECORDS]]


def _read(folder: Path) -> SearchState | None:
    """A record's state, or None for one that is of another version: the plan can do without."""
    try:
        return SearchState.from_events(read_events(folder))
    except RecordError:
        return None


def _is_alike(recorded: Mapping[str, Any], config: SearchConfig) -> bool:
    workers, now = recorded.get("workers"), config.workers.model_dump(mode="json")
    return recorded.get("trainable") == config.trainable and (
        isinstance(workers, dict) and all(workers.get(key) == now[key] for key in _SAME)
    )
