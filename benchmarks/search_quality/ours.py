"""This system's own searches on a workload: the real conductor, searcher and scheduler, simulated."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.search_quality.simulation import Trial
from benchmarks.search_quality.workload import Workload
from search.config.prior import prior_problem
from search.config.schema import SearchConfig
from search.record import BaselineMeasured, SearchState
from search.simulate.engine import simulate
from trainables.messages import Reply, TrainRequest
from trainables.trainable import BASE

_MOST_TRIALS = 5000

METHODS: dict[str, dict[str, Any]] = {
    "tightrope": {},
    "tightrope-no-prior": {"prior": "none"},
    "tightrope-startup-4": {"searcher": {"name": "gp", "startup": 4}},
    "tightrope-projected": {"searcher": {"name": "gp", "stopped": "projected"}},
    "tightrope-every-rung": {"budget": {"early_ratio": 0}},
    "tightrope-full": {"scheduler": {"name": "none"}},
    "tightrope-fixed": {"scheduler": {"name": "moasha", "share": "fixed"}},
    "tightrope-promotion": {"scheduler": {"name": "moasha", "variant": "promotion"}},
    "tightrope-tpe": {"searcher": {"name": "tpe"}},
    "tightrope-tpe-worse": {"searcher": {"name": "tpe", "stopped": "worse"}},
    "tightrope-tpe-rung": {"searcher": {"name": "tpe", "stopped": "rung"}},
    "tightrope-tpe-full": {"searcher": {"name": "tpe"}, "scheduler": {"name": "none"}},
    "tightrope-tpe-fixed": {"searcher": {"name": "tpe"}, "scheduler": {"name": "moasha", "share": "fixed"}},
    "tightrope-nsga2": {"searcher": {"name": "nsga2"}},
    "tightrope-random": {"searcher": {"name": "random"}},
    "tightrope-random-fixed": {
        "searcher": {"name": "random"},
        "scheduler": {"name": "moasha", "share": "fixed"},
    },
    "tightrope-random-full": {"searcher": {"name": "random"}, "scheduler": {"name": "none"}},
}
"""By name, what differs from the defaults; "full" has no early stopping."""


class _Curves:
    """Curves of a workload as replies of workers; its unit of cost is a second."""

    def __init__(self, workload: Workload, seed: int) -> None:
        self._workload = workload
        self._seed = seed

    @property
    def baseline(self) -> BaselineMeasured:
        """Says only what a measurement takes, which a search knows from that of its base model.

        Objectives are not relative to it. No method pays for it here.
        """
        return BaselineMeasured(name=BASE, seconds=self._workload.eval_cost)

    def reply(self, request: TrainRequest) -> Reply:
        """The slice up to a rung."""
        workload = self._workload
        params = {name: request.params[name] for name in workload.parameters}
        # Each trial is another run, with another seed.
        seed = int(np.random.SeedSequence([self._seed, request.trial]).generate_state(1)[0])
        curve = workload.run({k: v for k, v in params.items() if v is not None}, seed)
        rung = workload.rungs.index(request.to_step)
        metrics = zip((one.metric for one in workload.objectives), curve.values[rung].tolist(), strict=True)
        return Reply(
            "ok",
            step=request.to_step,
            metrics=dict(metrics),
            train_seconds=float(curve.train_costs[rung]),
            eval_seconds=float(curve.eval_costs[rung]),
        )


def run(workload: Workload, method: str, *, seed: int, budget: float, workers: int) -> list[Trial]:
    """Runs a search until its budget is spent.

    Args:
        workload: What it is tried on.
        method: One of `METHODS`.
        seed: Of the search, and of what is observed.
        budget: Time of all workers together, in the workload's unit of cost.
        workers: Number of trials at once.
    """
    logging.getLogger("optuna").setLevel(logging.WARNING)
    curves = _Curves(workload, seed)
    began = curves.baseline.seconds
    config = _config(workload, METHODS[method], seed, began + budget / workers)
    return _trials(simulate(config, curves, workers).state, began)


def _config(workload: Workload, changes: Mapping[str, Any], seed: int, end: float) -> SearchConfig:
    rungs = workload.rungs
    eta = rungs[1] // rungs[0] if len(rungs) > 1 else 3
    rungs_and_steps = {"steps": rungs[-1], "rungs": len(rungs), "eta": eta}
    data: dict[str, Any] = {
        "space": "benchmark",
        "name": "benchmark",
        "seed": seed,
        "trials": _MOST_TRIALS,
        "model": {"name": "none", "source": "embedded"},
        "task": {"name": "none", "train": "none.jsonl"},
        "capability": {"skills": [{"name": "none", "path": "none.jsonl"}]},
        "parameters": {name: dict(one) for name, one in workload.parameters.items()},
        "objectives": [{"metric": one.metric, "direction": one.direction} for one in workload.objectives],
        "confirm": {"candidates": 0},
        "limits": {"hours": end / 3600},
        **changes,
    }
    data["budget"] = rungs_and_steps | changes.get("budget", {})
    # As composition chooses it.
    if prior_problem("lora", data) is None:
        data = {"prior": "lora", **data}
    config = SearchConfig.model_validate(data)
    if config.budget.rung_steps != tuple(rungs):
        raise ValueError(f"rungs {rungs} of {workload.name} are not geometric")
    return config


def _trials(state: SearchState, began: float) -> list[Trial]:
    """Times are those of the record after `began`."""
    trials = []
    for trial in state.trials.values():
        params = {k: v for k, v in trial.proposed.sampled.items() if v is not None}
        cost = sum(rung.train_seconds + rung.eval_seconds for rung in trial.rungs)
        finished = trial.last.time - began if trial.last else float("inf")
        trials.append(Trial(params, len(trial.rungs), trial.proposed.time - began, finished, cost))
    return trials
