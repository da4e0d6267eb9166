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
        settings: Its probes have the parameters, which are the same in every session of a search.
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


def typical(settings: GroupSettings) -> RoutingParameters | None:
    """The parameters of references: of trials like those of the search, that with the median learning rate.

    Of one drawn at random the learning rate might lie at an end of its range, and nothing be learned.

    Returns:
        None where no such trial has valid parameters.
    """
    probes = valid_parameters(RoutingParameters, settings.probes)
    probes.sort(key=lambda params: (params.lr, params.good.rank, params.bad.rank, params.seed))
    return probes[len(probes) // 2] if probes else None


def _configured(
    name: str, settings: GroupSettings, data: RoutedData
) -> tuple[LoraParameters, Sequence[Example]]:
    params = typical(settings)
    if params is None:
        raise UserError(f"the baseline {name} has no parameters: those of the search's trials are invalid")
    if name == "single":
        return params.single, data.train
    if name == "clean":
        clean = [example for example, behaves in zip(data.train, data.behaving, strict=True) if not behaves]
        return params.good, clean
    raise UserError(f"there is no baseline {name!r}")
