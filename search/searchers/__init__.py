"""Searchers: who proposes trials. Importing this imports neither Optuna nor Ray nor torch."""

from search.config.schema import SearchConfig
from search.searchers import gp, grid, listed, nsga2, nsga3, qmc, random, tpe  # noqa: F401  (registers)
from search.searchers.base import SEARCHERS, Proposal, Searcher, SearcherFactory, SearcherSpec, startup
from search.searchers.listed import ListedFirst
from search.searchers.prior import space_prior
from search.space import SearchSpace, SpaceError

__all__ = ["SEARCHERS", "Proposal", "Searcher", "SearcherFactory", "SearcherSpec", "make_searcher", "startup"]


def make_searcher(config: SearchConfig, space: SearchSpace) -> Searcher:
    """The configured searcher, after the points that the space lists, with nothing proposed yet.

    Raises:
        KeyError: No searcher has that name.
        SpaceError: A listed point is not in the space, or the searcher cannot search it.
    """
    for index, point in enumerate(config.points):
        if problem := space.contains(point):
            raise SpaceError(f"points[{index}]: {problem}")
    prior = space_prior(config, space)
    first = [] if prior is None else prior.first()
    return ListedFirst(config.points, SEARCHERS[config.searcher.name].make(config, space), first)
