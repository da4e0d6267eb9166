"""Multi-objective Bayesian optimisation."""

from __future__ import annotations

from search.config.schema import SearchConfig
from search.searchers.base import Searcher, register
from search.searchers.options import ModelOptions, Stopped, after_startup
from search.space import SearchSpace

_CAPACITY = 200


class GpOptions(ModelOptions):
    """As of other models; stopped trials teach where not to search."""

    stopped: Stopped = "pending"


@register(
    "gp",
    "Gaussian processes, expected hypervolume improvement (Optuna); the default",
    options=GpOptions,
    startup=after_startup,
)
def make_gp(config: SearchConfig, space: SearchSpace) -> Searcher:
    """Log expected hypervolume improvement with constraints (Ament et al., 2023, arXiv:2310.20708).

    Running trials are fantasised over. Fitting takes time cubic in the number of trials, so that only 200
    to 300 of them are remembered.
    """
    # Optuna is imported when a search starts, not to list what can be chosen.
    from search.searchers.optuna_study import OptunaSearcher
    from search.searchers.optuna_terms import gp_sampler

    return OptunaSearcher(
        config, space, lambda seed: gp_sampler(space, seed), needs_values=True, capacity=_CAPACITY
    )
