"""What the trainable itself says of a search, before anything is started."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel

from search.config.schema import SearchConfig
from search.config.space import CategoricalParameter, ExpressionParameter, Parameter
from search.errors import ConfigError, Problem
from search.plan.history import recorded_searches
from search.plan.model import Slots
from search.space import SearchSpace
from trainables.planning import PlannedWorkers, PlanRefusedError, PlanRequest, TrainablePlan
from trainables.specs import TRAINABLES


def planned_by_trainable(
    config: SearchConfig, space: SearchSpace, trials: list[BaseModel], slots: Slots
) -> TrainablePlan:
    """The trainable's part of a plan; empty where it makes none.

    Args:
        config: The search.
        space: Its space.
        trials: Parameters of the first trials.
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
        history=recorded_searches(config),
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
        TRAINABLES[config.trainable].inspect(config.options, config.seed)


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
