"""The genetic algorithm NSGA-II."""

from __future__ import annotations

from search.config.schema import SearchConfig
from search.searchers.base import Searcher, register
from search.searchers.options import GeneticOptions, after_generation
from search.space import SearchSpace


@register(
    "nsga2",
    "NSGA-II, genetic, with constraints (Optuna); for many trials",
    options=GeneticOptions,
    startup=after_generation,
)
def make_nsga2(config: SearchConfig, space: SearchSpace) -> Searcher:
    """Non-dominated sorting and crowding (Deb et al., 2002, doi:10.1109/4235.996017)."""
    # Optuna is imported when a search starts, not to list what can be chosen.
    from search.searchers.genetic import GeneticSearcher, Nsga2

    return GeneticSearcher(config, space, Nsga2)
