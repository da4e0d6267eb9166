"""Searchers over small spaces, and outcomes to tell them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from _pytest.mark import ParameterSet

from search.config.schema import SearchConfig
from search.record import WarmStarted
from search.record.events import Params, PriorTrial
from search.searchers import Proposal, Searcher, make_searcher
from search.searchers.base import TrialOutcome
from search.space import SearchSpace

POINTS: tuple[Params, ...] = (
    {"lr": 1e-3, "rank": 4, "rslora": True},
    {"lr": 1e-4, "rank": 16, "rslora": False, "dropout": 0.0},
)
PARAMETERS = {
    "lr": {"type": "log-float", "low": 1e-5, "high": 1e-2, "points": 4},
    "rank": {"type": "categorical", "choices": [4, 16]},
    "alpha": {"type": "expression", "value": "2 * rank"},
    "rslora": {"type": "categorical", "choices": [True, False, 1]},
    "dropout": {"type": "float", "low": 0, "high": 0.4, "points": 2, "when": "alpha > 8"},
}
ONLY_LR = {"lr": {"type": "log-float", "low": 1e-5, "high": 1e-1, "points": 4}}
LOSS = {"metric": "train_loss", "direction": "min"}
RETENTION = {"metric": "retention", "direction": "max", "floor": 0.95}
MODELS = ("tpe", "gp", "nsga2", "nsga3")


def each(names: Iterable[str]) -> list[ParameterSet]:
    """One case per name; fitting Gaussian processes takes too long for the unit tier."""
    return [
        pytest.param(name, marks=[pytest.mark.integration] if name == "gp" else [], id=name) for name in names
    ]


def make_config(
    name: str,
    *,
    parameters: dict[str, Any] = PARAMETERS,
    points: Sequence[Params] = POINTS,
    objectives: Sequence[dict[str, Any]] = (LOSS, RETENTION),
    startup: int = 3,
    seed: int = 0,
    **options: Any,
) -> SearchConfig:
    if name in MODELS:
        options["startup"] = startup
    if name.startswith("nsga"):
        options.setdefault("population", 4)
    return SearchConfig.model_validate(
        {
            "space": "test",
            "name": "test",
            "seed": seed,
            "model": {"name": "none", "source": "embedded"},
            "task": {"name": "none", "train": "none.jsonl"},
            "capability": {"skills": [{"name": "none", "path": "none.jsonl"}]},
            "parameters": parameters,
            "points": points,
            "objectives": objectives,
            "budget": {"steps": 90},
            "searcher": {"name": name, **options},
        }
    )


def build(config: SearchConfig) -> tuple[Searcher, SearchSpace]:
    space = SearchSpace(config.parameters, config.fixed)
    return make_searcher(config, space), space


def lr_searcher(name: str = "tpe", **settings: Any) -> Searcher:
    return build(make_config(name, parameters=ONLY_LR, points=(), **settings))[0]


def completed(trial: int, loss: float, retention: float) -> TrialOutcome:
    return TrialOutcome(trial, "completed", ((loss, retention),) * 3)


def trade_off(trial: int, lr: float, retention: float) -> TrialOutcome:
    """Ten times the lr lowers the loss by 1 and retention by 0.01."""
    return completed(trial, -math.log10(lr), retention - 0.01 * math.log10(lr / 1e-5))


def warm_started(use: Any, trials: Sequence[tuple[Params, Sequence[float] | None]]) -> WarmStarted:
    return WarmStarted(
        search_id="earlier",
        use=use,
        trials=[
            PriorTrial(trial=number, sampled=sampled, values=None if values is None else list(values))
            for number, (sampled, values) in enumerate(trials)
        ],
    )


def lr_of(proposal: Proposal | None) -> float:
    assert proposal is not None
    lr = proposal.sampled["lr"]
    assert isinstance(lr, float)
    return lr


def search(searcher: Searcher, count: int, measure: Callable[[int, float], TrialOutcome]) -> list[float]:
    """Runs one trial after the other; returns their learning rates."""
    rates = []
    for number in range(count):
        rates.append(lr_of(searcher.propose(number)))
        searcher.observe(measure(number, rates[-1]))
    return rates
