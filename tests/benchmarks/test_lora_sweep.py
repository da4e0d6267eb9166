"""Searches over published runs, and the numbers of the prior that are fitted to them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.lora_sweep.fit import fit
from benchmarks.lora_sweep.methods import METHODS, regret_after, trials_until
from benchmarks.lora_sweep.published import SHARED, Model, read_models
from trainables.lora.prior import published, size_factor

RATES = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3)
RANKS = (4, 32)


def made(billions: float, level: float) -> Model:
    """Losses with a parabola around the law's learning rate, and more at a smaller rank."""
    best = math.log(level * size_factor(billions * 1e9))
    losses = {
        (lr, rank): 0.5 + 0.01 * (math.log(lr) - best) ** 2 + 0.01 / rank for lr in RATES for rank in RANKS
    }
    return Model(f"made-{billions:g}B", losses, len(losses))


@pytest.mark.parametrize("level", [4e-4, 8e-4])
def test_the_fit_finds_the_law_that_runs_were_made_with(level: float) -> None:
    fitted = fit([made(billions, level) for billions in (1, 8, 30, 70, 400)])
    assert fitted.lr == pytest.approx(level, rel=0.15)
    assert fitted.deviation < 0.1


def test_every_method_searches_the_published_runs() -> None:
    models = [made(billions, 6e-4) for billions in (1, 8, 70)]
    for name, method in METHODS.items():
        if name == "optuna-gp":
            continue  # as tightrope-no-prior, with more random trials before it
        regrets = method(models[0], models[1:], 5, 0)
        assert len(regrets) == 5
        assert min(regrets) >= 0
        after = [regret_after(regrets, n) for n in range(1, 6)]
        assert after == sorted(after, reverse=True)
        assert trials_until(regrets, math.inf) == 1


def test_a_trial_is_the_nearest_published_run() -> None:
    model = made(8, 6e-4)
    assert model.regret(2.9e-4, 32) == model.regret(3e-4, 32)
    assert min(model.regret(lr, 32) for lr in RATES) == 0
    assert np.all(np.diff(model.at_largest_rank()[0]) > 0)


@pytest.mark.skipif(not SHARED.is_file(), reason=f"{SHARED} is not here")
def test_the_shipped_numbers_are_those_of_the_published_runs() -> None:
    models = read_models()
    fitted = fit(models)
    assert fitted == published()
    first = [METHODS["tightrope"](model, [m for m in models if m is not model], 1, 0)[0] for model in models]
    rule = [METHODS["rule"](model, models, 1, 0)[0] for model in models]
    assert np.mean(first) < np.mean(rule)
