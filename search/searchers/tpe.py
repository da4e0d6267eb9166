"""Multi-objective TPE."""

from __future__ import annotations

from search.config.schema import SearchConfig
from search.searchers.base import Searcher, register
from search.searchers.options import ModelOptions, after_startup
from search.space import SearchSpace


@register(
    "tpe",
    "multi-objective multivariate TPE with constraints (Optuna); for many, cheap trials",
    options=ModelOptions,
    startup=after_startup,
)
def make_tpe(config: SearchConfig, space: SearchSpace) -> Searcher:
    """Tree-structured Parzen estimator (Ozaki et al., 2022, doi:10.1613/jair.1.13188)."""
    # Optuna is imported when a search starts, not to list what can be chosen.
    from search.searchers.optuna_study import OptunaSearcher
    from search.searchers.optuna_terms import tpe_sampler

    return OptunaSearcher(config, space, lambda seed, _: tpe_sampler(space, seed))
