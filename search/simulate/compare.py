"""Replays of a recorded search with other searchers and schedulers, compared with what it did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import moocore
import numpy as np
from numpy.typing import NDArray

from search.config.schema import ObjectiveConfig, SearchConfig
from search.judging.budget import budget_used
from search.judging.constraints import keeps_constraints
from search.judging.objectives import completed_trials, costs_of, is_measured, metrics_of
from search.judging.pareto import pareto_front
from search.judging.recommend import recommend
from search.record import SearchState
from search.searchers import Searcher, make_searcher
from search.simulate.curves import RecordedCurves
from search.simulate.engine import Simulated, simulate
from search.simulate.options import Options
from search.simulate.proposals import AsRecorded, NearestRecorded
from search.space import SearchSpace


class Hypervolume:
    """Hypervolume of a front as a share of that of the recorded search.

    Trials that keep every constraint count, or all where the recorded search has none that does. The
    reference point is the recorded front's worst value in each objective and a tenth of the front's extent
    more (Ishibuchi et al., 2018, doi:10.1162/evco_a_00226).

    Args:
        objectives: By which trials are judged.
        recorded: The recorded search.
    """

    def __init__(self, objectives: tuple[ObjectiveConfig, ...], recorded: SearchState) -> None:
        self._objectives = objectives
        self._feasible = any(
            keeps_constraints(objectives, metrics_of(trial)) for trial in completed_trials(recorded)
        )
        points = self._points(recorded)
        self._whole = 0.0
        if len(points):
            front = moocore.filter_dominated(points) if points.shape[1] > 1 else points.min(axis=0)[None]
            extent = front.max(axis=0) - front.min(axis=0)
            spread = points.max(axis=0) - points.min(axis=0)
            # A front of one point has no extent: that of all points, or anything, does as well.
            extent = np.where(extent > 0, extent, np.where(spread > 0, spread, 1.0))
            self._reference = front.max(axis=0) + 0.1 * extent
            self._whole = float(moocore.hypervolume(front, ref=self._reference))

    def share(self, state: SearchState) -> float | None:
        """From 0 to 1; None where the recorded search completed no trial."""
        if self._whole == 0.0:
            return None
        points = self._points(state)
        return float(moocore.hypervolume(points, ref=self._reference)) / self._whole if len(points) else 0.0

    def _points(self, state: SearchState) -> NDArray[np.float64]:
        """All objectives minimised; shape [trials, objectives]."""
        rows = [
            costs_of(self._objectives, metrics)
            for trial in completed_trials(state)
            if is_measured(self._objectives, metrics := metrics_of(trial))
            and (not self._feasible or keeps_constraints(self._objectives, metrics))
        ]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self._objectives))


@dataclass(frozen=True)
class Cost:
    """What a search takes.

    Attributes:
        steps: Optimizer steps.
        train_seconds: Time in training, added up over trials.
        eval_seconds: Time in evaluation, likewise.
        wall_seconds: Time from the first trial's beginning to the last one's end, on the simulated workers.
        completed: Trials trained to the full budget.
        at_least: More than that is not known: trials would have been trained further than was recorded.
    """

    steps: int
    train_seconds: float
    eval_seconds: float
    wall_seconds: float
    completed: int
    at_least: bool = False


@dataclass(frozen=True)
class SimulatedRun:
    """One simulated search.

    Attributes:
        cost: What it took.
        hypervolume: Of the front of its full trials, as a share of that of the recorded search's; None where
            the recorded search has none.
        censored: Trials that would have been trained further than was recorded.
        unmeasured: How often trials would have been measured at rungs where the recorded ones were not.
        fates: What became of the recorded search's best trials, by their recorded numbers, in words.
    """

    cost: Cost
    hypervolume: float | None
    censored: int
    unmeasured: int
    fates: Mapping[int, str]


@dataclass(frozen=True)
class Comparison:
    """The answer.

    Attributes:
        recorded: The recorded search, on the simulated workers.
        without_stopping: The same with every trial trained as far as it can be; its steps are known exactly
            in any case.
        runs: One per simulated search.
        best: Number of the recommended trial of the recorded search, or None.
        front: Numbers of its Pareto-optimal trials.
        cut_short: Trials of which the recorded search knows no end: stopped, lost or not finished.
        wall_seconds: Time that the recorded search took, start-up included, on its own workers.
    """

    recorded: Cost
    without_stopping: Cost
    runs: tuple[SimulatedRun, ...]
    best: int | None
    front: tuple[int, ...]
    cut_short: int
    wall_seconds: float


def compare(options: Options) -> Comparison:
    """Simulates the changed search, and the recorded one for comparison.

    Raises:
        SpaceError: The searcher cannot search the space.
    """
    state = _under(options.recorded, options.config)
    curves = RecordedCurves(state)
    best, front = recommend(state).trial, tuple(trial.number for trial in pareto_front(state))
    watched = front if best is None or best in front else (best, *front)
    score = Hypervolume(options.config.objectives, state)
    as_recorded = _simulate(options, curves, _plain(options.base), _proposer(options, 0, as_recorded=False))
    recorded = _cost(as_recorded.state, at_least=False)
    runs = []
    for index in range(options.seeds):
        config = options.config.model_copy(update={"seed": options.config.seed + index})
        run = _simulate(options, curves, config, _proposer(options, index, options.own_searcher))
        runs.append(
            SimulatedRun(
                cost=_cost(run.state, at_least=bool(run.censored)),
                hypervolume=score.share(run.state),
                censored=len(run.censored),
                unmeasured=run.unmeasured,
                fates=_fates(run, curves, watched),
            )
        )
    return Comparison(
        recorded=recorded,
        without_stopping=_without_stopping(as_recorded, recorded, options.base.budget.full_steps),
        runs=tuple(runs),
        best=best,
        front=front,
        cut_short=len(as_recorded.censored),
        wall_seconds=budget_used(state).wall_seconds,
    )


def _under(recorded: SearchState, config: SearchConfig) -> SearchState:
    """The recorded search without repetitions, judged by the objectives asked for."""
    assert recorded.started is not None
    started = recorded.started.model_copy(
        update={"config": recorded.started.config | config.model_dump(mode="json", include={"objectives"})}
    )
    trials = {number: trial for number, trial in recorded.trials.items() if trial.confirms is None}
    return SearchState(**(vars(recorded) | {"started": started, "trials": trials}))


def _plain(config: SearchConfig) -> SearchConfig:
    """Nothing is ended before its time."""
    data = config.model_dump(mode="json") | {"scheduler": {"name": "none"}}
    data["guards"] = dict.fromkeys(data["guards"])
    data["limits"] = dict.fromkeys(data["limits"])
    return SearchConfig.model_validate(data)


def _proposer(options: Options, index: int, as_recorded: bool) -> Searcher:
    trials = options.recorded.trials.values()
    points = [dict(trial.proposed.sampled) for trial in trials if trial.confirms is None]
    if not as_recorded:
        return AsRecorded(points, shuffle=index or None)
    config = options.config.model_copy(update={"seed": options.config.seed + index})
    space = SearchSpace(config.parameters, config.fixed)
    return NearestRecorded(make_searcher(config, space), space, points)


def _simulate(
    options: Options, curves: RecordedCurves, config: SearchConfig, searcher: Searcher
) -> Simulated:
    slots = options.recorded.slots
    devices = round(slots.devices / slots.groups * options.workers) if slots else 0
    nodes = slots.nodes if slots else 1
    return simulate(config, curves, options.workers, searcher=searcher, devices=devices, nodes=nodes)


def _cost(state: SearchState, at_least: bool) -> Cost:
    used = budget_used(state)
    return Cost(
        steps=used.steps_trained,
        train_seconds=used.train_seconds,
        eval_seconds=used.eval_seconds,
        wall_seconds=used.wall_seconds - used.baseline_seconds,
        completed=len(completed_trials(state)),
        at_least=at_least,
    )


def _without_stopping(run: Simulated, recorded: Cost, full: int) -> Cost:
    """The cost had no trial been stopped: steps that were not recorded are known, their time is not."""
    missing = sum(
        full - (last.step if (last := run.state.trials[number].last) else 0) for number in run.censored
    )
    return Cost(
        steps=recorded.steps + missing,
        train_seconds=recorded.train_seconds,
        eval_seconds=recorded.eval_seconds,
        wall_seconds=recorded.wall_seconds,
        completed=recorded.completed + len(run.censored),
        at_least=bool(run.censored),
    )


def _fates(run: Simulated, curves: RecordedCurves, watched: Iterable[int]) -> dict[int, str]:
    fates = dict.fromkeys(watched, "not tried")
    for trial in run.state.trials.values():
        recorded = curves.trial_of(trial.number, trial.params)
        if recorded is not None and recorded.number in fates:
            step = f" at step {trial.last.step}" if trial.last else ""
            fates[recorded.number] = (
                "trained to the end" if trial.status == "completed" else f"{trial.status}{step}"
            )
    return fates


def tally(runs: Iterable[SimulatedRun], trial: int) -> Counter[str]:
    """How often each fate befell a recorded trial."""
    return Counter(run.fates[trial] for run in runs)
