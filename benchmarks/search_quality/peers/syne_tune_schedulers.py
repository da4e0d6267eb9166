"""Syne Tune's schedulers, driven by their own calls."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import numpy as np
from syne_tune.backend.trial_status import Trial
from syne_tune.config_space import Domain, choice, loguniform, randint, uniform
from syne_tune.optimizer.scheduler import SchedulerDecision, TrialScheduler
from syne_tune.optimizer.schedulers.asha import AsynchronousSuccessiveHalving
from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA

from benchmarks.search_quality.workload import Floats, Params, Workload

_RESOURCE = "units"


def moasha(workload: Workload, seed: int) -> SyneTune:
    """MOASHA with its defaults, for the workload's rungs. It draws configurations itself, at random."""
    # It draws from the global generator, whatever seed it is given.
    np.random.seed(seed)
    return SyneTune(
        workload,
        MOASHA(_space(workload), [one.metric for one in workload.objectives], **_rungs(workload, seed)),
    )


def asha(workload: Workload, seed: int) -> SyneTune:
    """ASHA on the first objective, with random search."""
    np.random.seed(seed)
    return SyneTune(
        workload,
        AsynchronousSuccessiveHalving(
            _space(workload), workload.objectives[0].metric, **_rungs(workload, seed)
        ),
    )


class SyneTune:
    """One of its schedulers with a trial's life as its tuner plays it."""

    every_rung = True

    def __init__(self, workload: Workload, scheduler: TrialScheduler) -> None:
        self._workload = workload
        self._scheduler = scheduler
        self._trials: list[Trial] = []

    def ask(self, trial: int) -> Params:
        """The scheduler's next configuration."""
        params: dict[str, Any] = self._scheduler.suggest().config
        self._trials.append(Trial(trial, params, datetime.datetime.now(datetime.UTC)))
        self._scheduler.on_trial_add(self._trials[trial])
        return params

    def report(self, trial: int, rung: int, values: Floats) -> bool:
        """Reports minimised objectives, since all have to have the same direction."""
        metrics = [one.metric for one in self._workload.objectives]
        result = dict(zip(metrics, self._workload.minimised(values).tolist(), strict=True))
        result[_RESOURCE] = self._workload.rungs[rung]
        decision = self._scheduler.on_trial_result(self._trials[trial], result)
        return bool(decision == SchedulerDecision.CONTINUE)


def _rungs(workload: Workload, seed: int) -> dict[str, Any]:
    first, *_, last = (*workload.rungs, workload.rungs[-1])
    factor = workload.rungs[1] / first if len(workload.rungs) > 1 else 3
    return {
        "time_attr": _RESOURCE,
        "grace_period": first,
        "max_t": last,
        "reduction_factor": factor,
        "random_seed": seed,
    }


def _space(workload: Workload) -> dict[str, Domain]:
    return {name: _domain(spec) for name, spec in workload.parameters.items()}


def _domain(spec: Mapping[str, Any]) -> Domain:
    match spec["type"]:
        case "categorical":
            return choice(list(spec["choices"]))
        case "int":
            return randint(spec["low"], spec["high"])
        case "log-float":
            return loguniform(spec["low"], spec["high"])
        case _:
            return uniform(spec["low"], spec["high"])
