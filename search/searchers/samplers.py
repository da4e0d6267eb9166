"""Optuna's samplers as the searchers use them."""

from __future__ import annotations

from optuna.samplers import GPSampler, TPESampler

from search.searchers.study import experimental
from search.space import SearchSpace


def tpe_sampler(space: SearchSpace, seed: int) -> TPESampler:
    """TPE that models the parameters jointly, per group of conditions, and keeps off running trials."""
    # Finding the groups takes most of a proposal's time; without conditions there is only one.
    group = any(parameter.when is not None for parameter in space.parameters.values())
    with experimental():
        # The random start-up is the searcher's own.
        return TPESampler(seed=seed, multivariate=True, group=group, constant_liar=True, n_startup_trials=0)


def gp_sampler(space: SearchSpace, seed: int) -> GPSampler:
    """Gaussian processes over the parameters that all trials have; TPE for those with a condition."""
    return GPSampler(
        seed=seed,
        independent_sampler=tpe_sampler(space, seed),
        n_startup_trials=0,
        warn_independent_sampling=False,
    )
