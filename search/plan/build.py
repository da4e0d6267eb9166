"""Builds the plan of a search."""

from __future__ import annotations

import math
import os
from itertools import product
from pathlib import Path

from search.cluster import cluster_address, local_capacity, local_groups
from search.config.schema import SearchConfig
from search.config.space import CategoricalParameter, ExpressionParameter, Parameter
from search.errors import ConfigError, Problem
from search.groups.limit import configured_limit
from search.plan.data import plan_data
from search.plan.estimate import Lengths, estimate, repetitions
from search.plan.history import History, read_history
from search.plan.model import DataPlan, Plan, PlannedTrial, RankSize, Slots
from search.plan.outlook import budget, confirmation, ends_first, guards, limits, teaches, warm_start
from search.plan.shapes import ModelShapes, model_shapes
from search.reach import ClusterError
from search.record import SearchState, WarmStarted
from search.record.events import Scalar
from search.record.files import is_being_written
from search.resume import open_record
from search.schedulers import make_scheduler
from search.searchers import SEARCHERS, make_searcher, startup
from search.space import SearchSpace
from search.warm_start import read_warm_start
from trainables.errors import UserError
from trainables.lora.parameters import LoraParameters
from trainables.lora.targets import routed_layer, select_modules
from trainables.models.folder.check import takes_sdpa
from trainables.models.resolve import local_folder
from trainables.specs import TRAINABLES

SHOWN = 8
_EXAMPLE, _REPLY = 128, 16
_EXHAUSTIBLE = ("grid", "listed")


def make_plan(config: SearchConfig, counted: str | None = None) -> Plan:
    """Plans a search without starting anything.

    Args:
        config: The search, its budget in steps.
        counted: How they were counted, where it was given in epochs.

    Raises:
        TightropeError: The searcher cannot search this space.
        ConfigError: The model's files are damaged, it has no layers of a kind that may be asked for, or its
            tokenizer can make nothing of the data.
        SpaceChangedError: The search's folder holds another search, as a run would say.
        RecordError: It holds a damaged record.
    """
    recorded = open_record(config)
    config = recorded.config
    space = SearchSpace(config.parameters, config.fixed)
    taken_over = _taken_over(config, space, recorded.state)
    shapes = model_shapes(config.options.model)
    if shapes is not None:
        _refuse_targets(space, shapes)
    slots = _slots(config)
    first, params, number = _first(config, space, shapes, taken_over)
    history = read_history(config, LoraParameters().batch_size)
    data = plan_data(config)
    notes = _notes(config, shapes, slots, number, history)
    if data is None:
        notes.append(
            f"{config.options.task.train} is a data set of the hub, and read when the search starts."
        )
    estimated = None
    if shapes and params:
        try:
            estimated = estimate(config, shapes, params, number, slots, history, _lengths(config, data))
        except OverflowError:
            notes.append("The numbers are too large for an estimate of time and memory.")
    limited = limits(config, slots, estimated)
    return Plan(
        name=config.name,
        space=config.space,
        model=config.options.model.name,
        folder=str(Path(config.out) / config.name),
        recorded=_recorded(recorded.state),
        running=is_being_written(recorded.folder),
        attention=_attention(config),
        searcher=config.searcher.name,
        trials=number,
        first=tuple(first),
        budget=tuple(budget(config, counted)),
        rungs=config.budget.rung_steps,
        scheduler=tuple(make_scheduler(config).describe()),
        teaches=teaches(config),
        guards=tuple(guards(config)),
        confirmation=tuple(confirmation(config, number, estimated)),
        repetitions=repetitions(config, number),
        limits=limited,
        ends_first=ends_first(limited, number, estimated),
        warm_start=warm_start(config, taken_over),
        slots=slots,
        base_parameters=shapes.parameters if shapes else None,
        sizes=tuple(_sizes(space, shapes)) if shapes else (),
        data=data,
        estimate=estimated,
        notes=tuple(notes),
    )


def _attention(config: SearchConfig) -> str | None:
    """What `model.attention` comes to, where the model's files say it."""
    if config.options.model.attention != "auto":
        return f"{config.options.model.attention} (model.attention)"
    folder = local_folder(config.options.model)
    takes = None if folder is None else takes_sdpa(folder)
    if takes is None:
        return None
    return "sdpa" if takes else "eager: models of this kind do not take torch's scaled dot-product attention"


def _lengths(config: SearchConfig, data: DataPlan | None) -> Lengths:
    """Lengths to estimate with; where the data's are not known, those of short texts."""
    if data is not None and (known := data.lengths) is not None:
        return Lengths(known.mean, known.max_length, known.replies)
    most = config.options.task.max_length or _EXAMPLE
    return Lengths(most, most, config.options.capability.max_new_tokens or _REPLY)


def _recorded(state: SearchState) -> tuple[int, int] | None:
    """Trials that are recorded, and those of them that are finished."""
    if state.started is None:
        return None
    unfinished = sum(trial.confirms is None for trial in state.unfinished.values())
    return state.searched, state.searched - unfinished


def _first(
    config: SearchConfig, space: SearchSpace, shapes: ModelShapes | None, taken_over: WarmStarted | None
) -> tuple[list[PlannedTrial], list[LoraParameters], int]:
    """The first trials, their parameters, and the number of trials there will be.

    Proposals beyond the start-up of a model-based searcher depend on results, and are not shown.
    """
    searcher = make_searcher(config, space)
    finite = config.searcher.name in _EXHAUSTIBLE
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
    params: list[LoraParameters] = []
    for number in range(certain if finite else min(certain, SHOWN)):
        proposal = searcher.propose(number)
        if proposal is None:
            return planned[:SHOWN], params, number
        resolved = model.model_validate(space.resolve(proposal.sampled, number, config.seed))
        size = None
        if isinstance(resolved, LoraParameters):
            params.append(resolved)
            size = shapes.trainable(resolved) if shapes else None
        planned.append(PlannedTrial(number, proposal.origin, proposal.sampled, size))
    return planned[:SHOWN], params, config.trials


def _taken_over(config: SearchConfig, space: SearchSpace, state: SearchState) -> WarmStarted | None:
    """What an earlier search gives this one: as recorded, where it has begun."""
    if config.warm_start is None:
        return None
    return state.warm_start or read_warm_start(config, space)


def _sizes(space: SearchSpace, shapes: ModelShapes) -> list[RankSize]:
    """Adapter sizes for every rank and kind of target that may be sampled (the ends, for a range)."""
    sizes = []
    names = ("rank", "target_modules", "layers")
    for rank, target, layers in product(*(_possible(space, name) for name in names)):
        params = LoraParameters.model_validate({"rank": rank, "target_modules": target, "layers": layers})
        trainable = shapes.trainable(params)
        if trainable is not None:
            where = params.target_modules + (f", first {layers} layers" if layers is not None else "")
            sizes.append(RankSize(params.rank, where, trainable, trainable / shapes.parameters))
    return sizes


def _refuse_targets(space: SearchSpace, shapes: ModelShapes) -> None:
    """Raises where some trial would find no layer to adapt.

    Raises:
        ConfigError: For every such kind of target.
    """
    problems = []
    for target in _possible(space, "target_modules"):
        try:
            select_modules(shapes.linear, LoraParameters.model_validate({"target_modules": target}))
        except UserError as error:
            where = "parameters" if "target_modules" in space.parameters else "fixed"
            key = f"{where}.target_modules"
            problems.append(Problem(key, error.message, "model files", error.hint))
    if problems:
        raise ConfigError(problems)


def _possible(space: SearchSpace, name: str) -> list[Scalar]:
    parameter: Parameter | None = space.parameters.get(name)
    if isinstance(parameter, CategoricalParameter):
        return list(parameter.choices)
    if parameter is None or isinstance(parameter, ExpressionParameter):
        return [space.fixed.get(name, LoraParameters.model_fields[name].default)]
    return list(dict.fromkeys((parameter.low, parameter.high)))


def _slots(config: SearchConfig) -> Slots:
    """Slots on this machine; of another cluster only what the configuration fixes."""
    workers = config.workers
    _, address = cluster_address(workers)
    here = 0 if address else _gpus_here()
    gpus = float(min(1, here)) if workers.gpus == "auto" else workers.gpus
    groups: int | None
    if workers.groups != "auto":
        groups, source = workers.groups, "workers.groups"
    elif address:
        groups, source = None, f"as many as fit the cluster at {address}"
    elif gpus:
        groups, source = max(1, math.floor(here / (gpus * workers.workers))), f"{here} GPUs of this machine"
    else:
        groups, source = local_groups(workers), "cores of this machine"
    limit = configured_limit(config, groups or 1)
    return Slots(groups, limit.slots, limit.most, limit.reason, workers.workers, workers.cpus, gpus, source)


def _gpus_here() -> int:
    """NVIDIA GPUs of this machine that are visible, counted as its driver lists them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = Path("/proc/driver/nvidia/gpus")
    found = len(list(devices.iterdir())) if devices.is_dir() else 0
    return found if visible is None else min(found, len([one for one in visible.split(",") if one.strip()]))


def _notes(
    config: SearchConfig, shapes: ModelShapes | None, slots: Slots, number: int, history: History | None
) -> list[str]:
    notes = []
    if shapes is None:
        notes.append(
            f"The shapes of {config.options.model.source} are not known on this machine before it is first "
            "fetched: no number of parameters, time or memory can be given."
        )
    if number < config.trials:
        asked = f"{config.trials} trials asked for"
        notes.append(f"{config.searcher.name} has only {number} configurations for the {asked}.")
    if (reason := TRAINABLES[config.trainable].unpacked) is not None:
        notes.append(f"Trials of {config.trainable} are not packed, but run one at a time: {reason}.")
    if shapes is not None and (layer := routed_layer(shapes.linear)) is not None:
        notes.append(
            f"Trials of this model are not packed, but run one at a time: {layer} sees the tokens that are "
            "routed to it, not whole rows."
        )
    if shapes is not None and shapes.left_out:
        notes.append(
            f"These linear layers get no adapter, for they do more than multiply or their weights are read "
            f"without them: {', '.join(shapes.left_out)}."
        )
    if cluster_address(config.workers)[1] is None:
        try:
            local_capacity(config.workers, _gpus_here())
        except ClusterError as error:
            notes.append(f"On this machine a run would be refused: {error.message} {error.hint}")
    if slots.groups is None:
        notes.append("Times are for a single worker group.")
    if history is None and slots.slots_per_group is None and slots.most_per_group > 1:
        notes.append("Times are for groups with one slot; what more slots gain is measured at the start.")
    return notes
