"""The genetic algorithm NSGA-III."""

from __future__ import annotations

from search.config.schema import SearchConfig
from search.searchers.base import Searcher, register
from search.searchers.options import GeneticOptions, after_generation
from search.space import SearchSpace


@register(
    "nsga3",
    "NSGA-III, genetic, for three or more objectives (Optuna); for many trials",
    options=GeneticOptions,
    startup=after_generation,
)
def make_nsga3(config: SearchConfig, space: SearchSpace) -> Searcher:
    """Non-dominated sorting and reference points (Deb and Jain, 2014, doi:10.1109/TEVC.2013.2281535)."""
    # Optuna is imported when a search starts, not to list what can be chosen.
    from search.searchers.genetic import GeneticSearcher, Nsga3

    return GeneticSearcher(config, space, Nsga3)
