"""Models that trials are compared with, and that have to be trained for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from trainables.data.examples import Example
from trainables.errors import UserError
from trainables.lora.adapters import Adapters
from trainables.lora.held_pack import valid_parameters
from trainables.lora.pack import Pack
from trainables.lora.parameters import LoraParameters
from trainables.messages import GroupSettings
from trainables.routing.data import RoutedData
from trainables.routing.parameters import RoutingParameters
from trainables.serving.base import HeldBase


@contextmanager
def trained_reference(
    name: str, settings: GroupSettings, base: HeldBase, pack: Pack, adapters: Adapters, data: RoutedData
) -> Iterator[float]:
    """Trains a reference to the full budget and has the passes within use it; a collective call.

    Args:
        name: Of a baseline other than the base.
        settings: Its first probe has the parameters, which are the same in every session of a search.
        base: The base model.
        pack: Whose limits of passes are kept to.
        adapters: On the base.
        data: What is trained on.

    Yields:
        The mean training loss.

    Raises:
        UserError: It cannot be trained.
    """
    params, examples = _configured(name, settings, data)
    alone = Pack(base, adapters, examples, settings.total_steps, pack.limits, row_room=pack.row_room)
    trial = alone.add(f"reference_{name}", params)
    try:
        alone.start(trial, trial.total)
        while alone.active:
            for _, error in alone.step().failed:
                raise UserError(f"the baseline {name} could not be trained: {error}")
        alone.arrange([trial])
        with adapters.active(1):
            yield trial.slice.mean_loss
    finally:
        alone.remove(trial)


def _configured(
    name: str, settings: GroupSettings, data: RoutedData
) -> tuple[LoraParameters, Sequence[Example]]:
    probes = valid_parameters(RoutingParameters, settings.probes[:1])
    if not probes:
        raise UserError(
            f"the baseline {name} has no parameters: those of the search's first point are invalid"
        )
    if name == "single":
        return probes[0].single, data.train
    if name == "clean":
        clean = [example for example, behaves in zip(data.train, data.behaving, strict=True) if not behaves]
        return probes[0].good, clean
    raise UserError(f"there is no baseline {name!r}")
