"""Multi-objective Bayesian optimisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search.config.schema import SearchConfig
from search.searchers.base import Searcher, register
from search.searchers.options import ModelOptions, Stopped, after_startup
from search.searchers.prior import SpacePrior, space_prior
from search.space import SearchSpace

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

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
def make_gp(config: SearchConfig, space: SearchSpace, prior: SpacePrior | None = None) -> Searcher:
    """Log expected hypervolume improvement with constraints (Ament et al., 2023, arXiv:2310.20708).

    Running trials are fantasised over. Fitting takes time cubic in the number of trials, so that only 200
    to 300 of them are remembered.

    Args:
        config: As for every searcher.
        space: Likewise.
        prior: In place of the configured one.
    """
    # Optuna is imported when a search starts, not to list what can be chosen.
    from search.searchers.optuna_study import OptunaSearcher
    from search.searchers.optuna_terms import Codec, gp_options, gp_sampler

    known = prior or space_prior(config, space)
    codecs = {name: Codec(parameter) for name, parameter in space.sampled.items()}

    def sampler(seed: int, strength: float) -> BaseSampler:
        if known is None:
            return gp_sampler(space, seed)
        from search.searchers.pulled import PulledGPSampler

        return PulledGPSampler(known, codecs, strength, **gp_options(space, seed))

    return OptunaSearcher(config, space, sampler, needs_values=True, capacity=_CAPACITY)
