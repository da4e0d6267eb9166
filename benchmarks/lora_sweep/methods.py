"""Searches for the best learning rate and rank of one model, a trial after another."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optuna

from benchmarks.lora_sweep.fit import fit
from benchmarks.lora_sweep.published import Model
from search.config.schema import NO_PRIOR, SearchConfig
from search.searchers.base import Searcher, TrialOutcome
from search.searchers.gp import make_gp
from search.searchers.listed import ListedFirst
from search.searchers.prior import SpacePrior
from search.space import SearchSpace
from trainables.lora.prior import lora_prior

RULE_RATE = 3e-4
_MARGIN = 1.7
"""Half the ratio of neighbouring learning rates: each has about the same share of the range."""

Method = Callable[[Model, Sequence[Model], int, int], list[float]]
"""By the model, all others, the number of trials and a seed: the regret of each trial, in nats."""


def _range(model: Model) -> tuple[float, float]:
    return model.rates[0] / _MARGIN, model.rates[-1] * _MARGIN


def random_search(model: Model, others: Sequence[Model], trials: int, seed: int) -> list[float]:
    """Learning rates uniform in the logarithm, and ranks uniform over the published ones."""
    generator = np.random.default_rng(seed)
    low, high = np.log(_range(model))
    rates = np.exp(generator.uniform(low, high, size=trials))
    ranks = generator.choice(model.ranks, size=trials)
    return [model.regret(float(lr), int(rank)) for lr, rank in zip(rates, ranks, strict=True)]


def rule_of_thumb(model: Model, others: Sequence[Model], trials: int, seed: int) -> list[float]:
    """A learning rate of 3e-4 at the largest rank, then random search."""
    return [
        model.regret(RULE_RATE, model.ranks[-1]),
        *random_search(model, others, trials - 1, seed),
    ]


def _optuna(
    sampler: Callable[[int], optuna.samplers.BaseSampler],
) -> Method:
    def run(model: Model, others: Sequence[Model], trials: int, seed: int) -> list[float]:
        regrets: list[float] = []

        def objective(trial: optuna.Trial) -> float:
            lr = trial.suggest_float("lr", *_range(model), log=True)
            regrets.append(model.regret(lr, trial.suggest_categorical("rank", model.ranks)))
            return regrets[-1]

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        optuna.create_study(sampler=sampler(seed)).optimize(objective, n_trials=trials)
        return regrets

    return run


def _ours(with_prior: bool) -> Method:
    def run(model: Model, others: Sequence[Model], trials: int, seed: int) -> list[float]:
        config = _config(model, seed, "lora" if with_prior else NO_PRIOR)
        space = SearchSpace(config.parameters, config.fixed)
        searcher: Searcher = make_gp(config, space)
        if with_prior:
            # Fitted without this model.
            prior = SpacePrior(lora_prior(fit(others)), config, space)
            searcher = ListedFirst((), make_gp(config, space, prior), prior.first())
        regrets = []
        for number in range(trials):
            proposal = searcher.propose(number)
            assert proposal is not None
            values = proposal.sampled
            regrets.append(model.regret(float(str(values["lr"])), int(str(values["rank"]))))
            searcher.observe(TrialOutcome(number, "completed", ((regrets[-1],),)))
        return regrets

    return run


def _config(model: Model, seed: int, prior: str) -> SearchConfig:
    low, high = _range(model)
    data: dict[str, Any] = {
        "space": "benchmark",
        "name": "benchmark",
        "seed": seed,
        "prior": prior,
        "model": {"name": "published", "source": f"published-{model.billions:g}B"},
        "task": {"name": "none", "train": "none.jsonl"},
        "capability": {"skills": [{"name": "none", "path": "none.jsonl"}]},
        "parameters": {
            "lr": {"type": "log-float", "low": low, "high": high},
            "rank": {"type": "categorical", "choices": model.ranks},
        },
        "fixed": {"alpha": 32, "batch_size": 128},
        "objectives": [{"metric": "heldout_loss", "direction": "min"}],
        "budget": {"steps": 780, "rungs": 1},
    }
    return SearchConfig.model_validate(data)


METHODS: dict[str, Method] = {
    "tightrope": _ours(with_prior=True),
    "tightrope-no-prior": _ours(with_prior=False),
    "rule": rule_of_thumb,
    "random": random_search,
    "optuna-gp": _optuna(lambda seed: optuna.samplers.GPSampler(seed=seed)),
    "optuna-tpe": _optuna(lambda seed: optuna.samplers.TPESampler(seed=seed)),
}


def regret_after(regrets: Sequence[float], trials: int) -> float:
    """The least regret of the first trials."""
    return min(regrets[:trials])


def trials_until(regrets: Sequence[float], regret: float) -> float:
    """Trials until one has at most this regret; infinite where none has."""
    return next((n + 1.0 for n, value in enumerate(regrets) if value <= regret), math.inf)
