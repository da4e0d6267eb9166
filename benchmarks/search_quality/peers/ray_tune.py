"""Ray Tune's OptunaSearch and ASHA, driven as its loop drives them, without a cluster."""

from __future__ import annotations

import numpy as np
import optuna
from ray.tune.experiment import Trial
from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.search.optuna import OptunaSearch

from benchmarks.search_quality.peers.optuna_study import distribution
from benchmarks.search_quality.workload import Floats, Params, Workload

_RESOURCE = "training_iteration"


class OptunaSearchAsha:
    """OptunaSearch with all objectives, and ASHA on the first, which is all that it can take.

    As in Ray Tune's loop, the searcher learns of a trial when it ends, by its last result, whether it was
    stopped early or not.
    """

    every_rung = True

    def __init__(self, workload: Workload, seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        np.random.seed(seed)
        self._workload = workload
        self._metrics = [one.metric for one in workload.objectives]
        self._searcher = OptunaSearch(
            {name: distribution(spec) for name, spec in workload.parameters.items()},
            metric=self._metrics,
            mode=[one.direction for one in workload.objectives],
            seed=seed,
        )
        rungs = workload.rungs
        self._scheduler = AsyncHyperBandScheduler(
            time_attr=_RESOURCE,
            metric=self._metrics[0],
            mode=workload.objectives[0].direction,
            max_t=rungs[-1],
            grace_period=rungs[0],
            reduction_factor=rungs[1] / rungs[0] if len(rungs) > 1 else 3,
        )
        self._trials: list[Trial] = []

    def ask(self, trial: int) -> Params:
        """The searcher's next configuration."""
        params: Params = self._searcher.suggest(str(trial))
        self._trials.append(Trial("simulated", config=dict(params), trial_id=str(trial), stub=True))
        self._scheduler.on_trial_add(None, self._trials[trial])
        return params

    def report(self, trial: int, rung: int, values: Floats) -> bool:
        """Asks the scheduler; tells the searcher where the trial ends."""
        result = dict(zip(self._metrics, values.tolist(), strict=True))
        result[_RESOURCE] = self._workload.rungs[rung]
        self._searcher.on_trial_result(str(trial), result)
        decision = self._scheduler.on_trial_result(None, self._trials[trial], result)
        if decision == AsyncHyperBandScheduler.CONTINUE:
            return True
        self._searcher.on_trial_complete(str(trial), result)
        return False
