"""The factors of a trial's two adapters, now and as they were initialised."""

from __future__ import annotations

from torch import Tensor

from trainables.lora.adapters import Adapters
from trainables.lora.trial import Adapter
from trainables.routing.angles import Factors, LayerAngles, angles
from trainables.routing.trial import RoutingTrial


def measured_angles(adapters: Adapters, trial: RoutingTrial) -> dict[str, LayerAngles]:
    """Angles between the updates of a trial's adapters, which are held.

    Raises:
        torch.OutOfMemoryError: There is no room for an adapter as it was initialised.
    """
    good, bad = trial.adapters
    scales = good.params.scale, bad.params.scale
    now, other = adapters.factors(good.name), adapters.factors(bad.name)
    factors = {site: Factors(*now[site], scales[0], *other[site], scales[1]) for site in now if site in other}
    before = [_initial(adapters, adapter) for adapter in trial.adapters]
    return angles(factors, {site: (before[0][site], before[1][site]) for site in factors})


def _initial(adapters: Adapters, adapter: Adapter) -> dict[str, Tensor]:
    """A of each layer as it was drawn from the adapter's seed."""
    name = f"{adapter.name}_initial"
    adapters.add(name, adapter.params)
    try:
        return {site: a.clone() for site, (a, _) in adapters.factors(name).items()}
    finally:
        adapters.remove(name)
