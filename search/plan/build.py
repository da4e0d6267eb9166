"""Builds the plan of a search."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel

from search.cluster import cluster_address, gpus_by_ray, local_capacity, local_groups
from search.config.schema import SearchConfig
from search.errors import ClusterError, ConfigError, Problem
from search.groups.settings import configured_limit
from search.plan.download import download_note, download_problems
from search.plan.estimate import estimate, repetitions
from search.plan.floors import planned_floors
from search.plan.hypotheses import planned_hypotheses
from search.plan.model import Plan, PlannedTrial, Slots
from search.plan.outlook import budget, confirmation, ends_first, guards, limits, prior, teaches, warm_start
from search.plan.trainable import planned_by_trainable
from search.record import SearchState, WarmStarted
from search.record.files import is_being_written
from search.resume import open_record
from search.schedulers import make_scheduler
from search.searchers import SEARCHERS, make_searcher, startup
from search.space import SearchSpace
from search.trial_steps import TrialSteps
from search.warm_start import read_warm_start
from trainables.errors import UserError
from trainables.planning import TrainablePlan
from trainables.specs import TRAINABLES

SHOWN = 8


def make_plan(config: SearchConfig, counted: str | None = None, steps: TrialSteps | None = None) -> Plan:
    """Plans a search without starting anything.

    Args:
        config: The search, its budget in steps.
        counted: How they were counted, where it was given in epochs.
        steps: The steps of trials, where each has its own number.

    Raises:
        TightropeError: The searcher cannot search this space.
        ConfigError: The trainable sees that it could not be trained.
        SpaceChangedError: The search's folder holds another search, as a run would say.
        RecordError: It holds a damaged record.
    """
    recorded = open_record(config)
    config = recorded.config
    space = SearchSpace(config.parameters, config.fixed)
    taken_over = _taken_over(config, space, recorded.state)
    slots = _slots(config)
    first, trials, number = _first(config, space, taken_over)
    planned = planned_by_trainable(config, space, trials, slots)
    estimated = None if planned.costs is None else estimate(config, planned.costs, number, slots, steps)
    limited = limits(config, slots, estimated)
    trained = dict(enumerate(planned.trained))
    return Plan(
        name=config.name,
        space=config.space,
        model=TRAINABLES[config.trainable].subject(config.options),
        folder=str(Path(config.out) / config.name),
        recorded=_recorded(recorded.state),
        running=is_being_written(recorded.folder),
        attention=planned.attention,
        searcher=config.searcher.name,
        trials=number,
        first=tuple(
            replace(trial, trainable=trained.get(index), steps=_own_steps(steps, config, space, trial))
            for index, trial in enumerate(first)
        ),
        budget=tuple(budget(config, counted)),
        rungs=() if steps else config.budget.rung_steps,
        shares=config.budget.shares,
        trial_steps=None if steps is None else (steps.least, steps.most),
        scheduler=tuple(make_scheduler(config).describe()),
        teaches=teaches(config),
        guards=tuple(guards(config)),
        confirmation=tuple(confirmation(config, number, estimated)),
        repetitions=repetitions(config, number),
        limits=limited,
        ends_first=ends_first(limited, number, estimated),
        floors=planned_floors(config, planned.items),
        hypotheses=planned_hypotheses(config, planned.items),
        prior=tuple(prior(config, space)),
        warm_start=warm_start(config, taken_over),
        slots=slots,
        base_parameters=planned.base_parameters,
        sizes=planned.sizes,
        data=planned.data,
        estimate=estimated,
        notes=(*planned.notes, *_notes(config, planned, slots, number)),
        size_table=planned.size_table,
        data_text=planned.data_text,
        sized=TRAINABLES[config.trainable].plan is not None,
        problems=(*_machine_problems(config), *download_problems(planned.download, _is_here(config))),
    )


def refuse_unplannable(config: SearchConfig) -> None:
    """Refuses before a search starts what its plan would refuse; estimates nothing.

    Raises:
        ConfigError: The trainable sees that it could not be trained, or this machine is too small for it.
    """
    if problems := list(_machine_problems(config)):
        raise ConfigError(problems)
    space = SearchSpace(config.parameters, config.fixed)
    planned = planned_by_trainable(config, space, [], _slots(config))
    if lacking := download_problems(planned.download, _is_here(config)):
        raise ConfigError(lacking)


def _is_here(config: SearchConfig) -> bool:
    """Whether the workers would be on this machine."""
    return cluster_address(config.workers)[1] is None


def _own_steps(
    steps: TrialSteps | None, config: SearchConfig, space: SearchSpace, trial: PlannedTrial
) -> int | None:
    """A trial's own number of steps; None where it has none, or cannot be trained."""
    if steps is None:
        return None
    try:
        return steps.of(space.resolve(trial.sampled, trial.trial, config.seed))
    except UserError:
        return None


def _recorded(state: SearchState) -> tuple[int, int] | None:
    """Trials that are recorded, and those of them that are finished."""
    if state.started is None:
        return None
    unfinished = sum(trial.confirms is None for trial in state.unfinished.values())
    recorded = state.searched + state.clones
    return recorded, recorded - unfinished


def _first(
    config: SearchConfig, space: SearchSpace, taken_over: WarmStarted | None
) -> tuple[list[PlannedTrial], list[BaseModel], int]:
    """The first trials, their parameters, and the number of trials there will be.

    Proposals beyond the start-up of a model-based searcher depend on results, and are not shown.
    """
    searcher = make_searcher(config, space)
    finite = SEARCHERS[config.searcher.name].finite
    random, listed = startup(config.searcher), len(config.points)
    if taken_over is not None:
        searcher.begin(taken_over)
        if taken_over.use == "points":
            listed += len(taken_over.trials)
        else:
            random = max(0, random - len(taken_over.trials))
    learns = SEARCHERS[config.searcher.name].learns
    certain = min(config.trials, max(random, listed)) if learns else config.trials
    model = TRAINABLES[config.trainable].parameters
    planned: list[PlannedTrial] = []
    params: list[BaseModel] = []
    for number in range(certain if finite else min(certain, SHOWN)):
        proposal = searcher.propose(number)
        if proposal is None:
            return planned[:SHOWN], params, number
        params.append(model.model_validate(space.resolve(proposal.sampled, number, config.seed)))
        planned.append(PlannedTrial(number, proposal.origin, proposal.sampled, None))
    return planned[:SHOWN], params, config.trials


def _taken_over(config: SearchConfig, space: SearchSpace, state: SearchState) -> WarmStarted | None:
    """What an earlier search gives this one: as recorded, where it has begun."""
    if config.warm_start is None:
        return None
    return state.warm_start or read_warm_start(config, space)


def _slots(config: SearchConfig) -> Slots:
    """Slots on this machine; of another cluster only what the configuration fixes."""
    workers = config.workers
    _, address = cluster_address(workers)
    here = 0 if address else gpus_here()
    gpus = float(min(1, here)) if workers.gpus == "auto" else workers.gpus
    groups: int | None
    if workers.groups != "auto":
        groups, source = workers.groups, "workers.groups"
    elif address:
        groups, source = None, f"as many as fit the cluster at {address}, and as its autoscaler brings"
    elif gpus:
        groups, source = max(1, math.floor(here / (gpus * workers.workers))), f"{here} GPUs of this machine"
    else:
        groups, source = local_groups(workers), "cores of this machine"
    limit = configured_limit(config, groups or 1)
    return Slots(groups, limit.slots, limit.most, limit.reason, workers.workers, workers.cpus, gpus, source)


def gpus_here() -> int:
    """NVIDIA GPUs of this machine that are visible, counted as its driver lists them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = Path("/proc/driver/nvidia/gpus")
    count = len(list(devices.iterdir())) if devices.is_dir() else len(list(Path("/dev").glob("nvidia[0-9]*")))
    if visible is None:
        return count
    return min(count, sum(bool(index.strip()) for index in visible.split(",")))


def _machine_problems(config: SearchConfig) -> Iterator[Problem]:
    """What this machine lacks, where no other cluster is to be joined."""
    workers = config.workers
    if not _is_here(config):
        return
    asks = workers.gpus not in ("auto", 0)
    for gpus in (gpus_here, *([gpus_by_ray] if asks else [])):
        try:
            local_capacity(workers, gpus())
            return
        except ClusterError as error:
            problem = error
    key = "workers.gpus" if asks else "workers"
    yield Problem(key, problem.message.rstrip("."), "this machine", problem.hint)


def _notes(config: SearchConfig, planned: TrainablePlan, slots: Slots, number: int) -> list[str]:
    notes = []
    spec = TRAINABLES[config.trainable]
    if spec.plan is None:
        notes.append(f"The trainable {config.trainable} gives no sizes, time or memory.")
    if planned.download is not None:
        notes.append(download_note(planned.download, _is_here(config)))
    if number < config.trials:
        asked = f"{config.trials} requested trials"
        notes.append(f"{config.searcher.name} has only {number} configurations for the {asked}.")
    caveats = {metric.name: metric.caveat for metric in config.metrics}
    notes += [text for objective in config.objectives if (text := caveats.get(objective.metric))]
    if spec.unpacked is not None:
        notes.append(f"Trials of {config.trainable} are not packed but run one at a time: {spec.unpacked}.")
    if planned.costs is None:
        return notes
    if slots.groups is None:
        notes.append("Times are for a single worker group.")
    if not planned.costs.measured and slots.slots_per_group is None and slots.most_per_group > 1:
        notes.append("Times are for groups with one slot; the gain of more slots is measured at the start.")
    return notes
