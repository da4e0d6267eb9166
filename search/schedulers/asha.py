"""ASHA's stopping rule, with constraints ranked before the loss."""

from __future__ import annotations

from search.config.schema import SearchConfig
from search.schedulers.base import register
from search.schedulers.moasha import Moasha, MoashaOptions


@register("asha", "successive halving at rungs: trials that keep the constraints first, then by loss")
def asha(config: SearchConfig) -> Moasha:
    """Asynchronous successive halving, stopping variant (Li et al., 2020, arXiv:1810.05934).

    `Moasha` that ranks by the first objective alone, after the constraints of all.
    """
    return Moasha(config, MoashaOptions(name="asha", share="fixed"), config.objectives[:1])
