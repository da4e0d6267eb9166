"""The same training in packs."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.packing.meter import Meter, Timing, release
from benchmarks.packing.work import Work
from trainables.lora.adapters import Adapters
from trainables.lora.pack import Pack, PassLimits
from trainables.lora.row_sharing import ROOM
from trainables.lora.slots import Choice, choose_slots
from trainables.serving.base import HeldBase

ONE_PASS = PassLimits(cost=2**31)
"""All trials in one pass, whatever its padding."""

_TOTAL = 10**6
"""Steps of the full budget; the learning rate is constant."""


def packed(
    work: Work,
    limits: PassLimits,
    slots: int | None = None,
    share_rows: bool = False,
    whole_logits: bool = False,
) -> Timing:
    """Trains the trials in packs of `slots` (None: all of them), one pack after another.

    With `share_rows` several short examples of a trial share a row, as in a group; with `whole_logits`
    logits of all tokens are made at once, as in groups whose output head does not allow less.

    Where memory does not suffice for a pass, passes are made smaller and all is begun anew.

    Raises:
        RuntimeError: A trial could not be trained to its end.
    """
    while True:
        meter, left = Meter(work.device), replace(limits)
        pack, base, _ = new_pack(work, left)
        pack.row_room = ROOM * pack.longest if share_rows else None
        if whole_logits:
            base.head = None
        meter.watch(base.model)
        losses = _train(work, pack, slots or len(work.trials), meter)
        if left.tokens == limits.tokens:
            return meter.timing(losses, limit=limits.tokens)
        limits = left


def _train(work: Work, pack: Pack, slots: int, meter: Meter) -> list[list[float]]:
    losses = []
    for first in range(0, len(work.trials), slots):
        params = work.trials[first : first + slots]
        with work.device:  # PEFT draws the weights where it makes them
            trials = [pack.add(f"trial{index}", each) for index, each in enumerate(params)]
        for trial in trials:
            pack.start(trial, work.warm)
        _run(pack)
        for trial in trials:
            pack.start(trial, work.warm + work.steps)
        with meter:
            _run(pack)
        losses += [trial.slice.losses for trial in trials]
        for trial in trials:
            pack.remove(trial)
    return losses


def _run(pack: Pack) -> None:
    while pack.active:
        failed = pack.step().failed
        if failed:
            raise RuntimeError(f"a trial failed: {failed[0][1]}")


def choose(work: Work) -> Choice:
    """What `slots=auto` chooses for these trials."""
    release(work.device)
    pack, base, _ = new_pack(work, PassLimits())
    return choose_slots(pack, base, None, len(work.trials), work.trials)


def new_pack(work: Work, limits: PassLimits) -> tuple[Pack, HeldBase, Adapters]:
    """An empty pack on a base model of its own, and what it is made of."""
    base = HeldBase(work.twin())
    adapters = Adapters(base.model, "base")
    return Pack(base, adapters, work.examples, _TOTAL, limits), base, adapters
