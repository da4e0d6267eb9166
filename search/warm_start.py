"""What a search takes over from an earlier one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import moocore
import numpy as np

from search.config.schema import ObjectiveConfig, SearchConfig
from search.errors import TightropeError
from search.judging.constraints import constraint_violations, violation_of
from search.judging.objectives import to_costs
from search.record import SearchState, TrialState, WarmStarted
from search.record.events import Params, PriorTrial
from search.recorded import NoSearchError, open_search
from search.searchers.base import point_key
from search.space import SearchSpace

KEY = "warm_start.search"


class WarmStartError(TightropeError):
    """The earlier search has nothing that this one can begin with."""

    exit_code = 2

    def __init__(self, message: str, hint: str | None) -> None:
        super().__init__(f"{KEY}: {message}", hint)


def read_warm_start(config: SearchConfig, space: SearchSpace) -> WarmStarted:
    """Reads an earlier search's record and chooses what is taken over.

    With `use=points` these are the configurations of its best trials: those trained to the full budget that
    keep its constraints, in its own order of candidates for confirmation (first objective, ties by the
    others) where both searches have the same objectives, else front by front. With `use=prior` trials are
    taken over with their values of this search's objectives: those that keep its constraints best first,
    then those that do not by their violation, then those that never reached the full budget.

    A configuration is taken over once, and only where it lies in this space by its values of the sampled
    parameters; the others belong to the earlier search alone.

    Args:
        config: With a section `warm_start`.
        space: This search's.

    Raises:
        WarmStartError: There is no record, no finished trial, none with this search's objectives (for
            `prior`), or none inside this space.
        RecordError: The record is damaged.
    """
    assert config.warm_start is not None
    try:
        folder, state = open_search(config.warm_start.search, config.out)
    except NoSearchError as error:
        raise WarmStartError(error.message, error.hint) from error
    assert state.started is not None
    ordered = (
        _best(folder, state, config) if config.warm_start.use == "points" else _prior(folder, state, config)
    )
    trials = _inside(ordered, config, space)
    if not trials:
        first = ordered[0]
        problem = space.contains(_sample_of(first, space))
        raise WarmStartError(
            f"no trial of {folder} is in this space; trial {first.number}: {problem}",
            "Widen the space, or give a search with the same parameters.",
        )
    return WarmStarted(search_id=state.started.search_id, use=config.warm_start.use, trials=trials)


def _best(folder: Path, state: SearchState, config: SearchConfig) -> list[TrialState]:
    """Trials that keep the earlier search's constraints, best first by its objectives."""
    assert state.started is not None
    objectives = [ObjectiveConfig.model_validate(data) for data in state.started.config["objectives"]]
    candidates = []
    for trial in _finished_trials(folder, state):
        values = _values(trial, objectives)
        if values is not None and violation_of(objectives, values) == 0:
            candidates.append((to_costs(objectives, values), trial.number, trial))
    if not candidates:
        raise WarmStartError(
            f"no trial of {folder} has reached its full budget and keeps its constraints",
            "Give another search, or use its trials with their values: warm_start.use=prior.",
        )
    fronts = np.zeros(len(candidates))
    if _plain(objectives) != _plain(config.objectives) and len(objectives) > 1:
        fronts = moocore.pareto_rank(np.array([costs for costs, *_ in candidates]))
    ranked = [(front, *entry) for front, entry in zip(fronts, candidates, strict=True)]
    return [trial for *_, trial in sorted(ranked, key=lambda entry: entry[:3])]


def _prior(folder: Path, state: SearchState, config: SearchConfig) -> list[TrialState]:
    """All finished trials, those that teach most of what is good first."""
    finished = _finished_trials(folder, state)
    objectives = config.objectives
    keys: dict[int, tuple[float, tuple[float, ...]]] = {}
    for trial in finished:
        if (values := _values(trial, objectives)) is not None:
            keys[trial.number] = violation_of(objectives, values), to_costs(objectives, values)
    if not keys:
        names = " and ".join(objective.metric for objective in objectives)
        raise WarmStartError(
            f"no trial of {folder} has {names} at its full budget",
            "Give a search with this one's objectives, or use only its best configurations: "
            "warm_start.use=points.",
        )
    return sorted(finished, key=lambda trial: (*keys.get(trial.number, (math.inf, [])), trial.number))


def _inside(ordered: list[TrialState], config: SearchConfig, space: SearchSpace) -> list[PriorTrial]:
    """The first trials that lie in the space, each configuration once."""
    assert config.warm_start is not None
    metrics = [objective.metric for objective in config.objectives]
    inside: dict[tuple[tuple[str, str], ...], PriorTrial] = {}
    for trial in ordered:
        sampled = _sample_of(trial, space)
        if space.contains(sampled) is not None or point_key(sampled) in inside:
            continue
        values = _values(trial, config.objectives)
        violations = constraint_violations(config.objectives, dict(zip(metrics, values or (), strict=False)))
        inside[point_key(sampled)] = PriorTrial(
            trial=trial.number, sampled=sampled, values=values, violations=list(violations) if values else []
        )
        if len(inside) == config.warm_start.trials:
            break
    return list(inside.values())


def _sample_of(trial: TrialState, space: SearchSpace) -> Params:
    """The trial's values of the parameters that this space samples, in this space's order."""
    return {name: trial.params[name] for name in space.sampled if name in trial.params}


def _finished_trials(folder: Path, state: SearchState) -> list[TrialState]:
    finished = [trial for trial in state.trials.values() if trial.finished and trial.confirms is None]
    if not finished:
        raise WarmStartError(
            f"no trial of {folder} has finished", "Let it run first, or give another search."
        )
    return finished


def _values(trial: TrialState, objectives: Sequence[ObjectiveConfig]) -> list[float] | None:
    """Objective values at the full budget; None where it did not get there or one is no finite number."""
    if trial.status != "completed" or trial.last is None:
        return None
    values = [trial.last.metrics.get(objective.metric, math.nan) for objective in objectives]
    return values if all(map(math.isfinite, values)) else None


def _plain(objectives: Sequence[ObjectiveConfig]) -> list[tuple[str, str]]:
    return [(objective.metric, objective.direction) for objective in objectives]
