"""Decides, when a group comes up, whether the short examples of its trials share rows."""

from __future__ import annotations

from collections.abc import Sequence

from trainables.lora.batch import deal
from trainables.lora.pack import Pack
from trainables.lora.passes import plan_passes
from trainables.lora.sequences import why_apart
from trainables.parameters import TrainingParameters
from trainables.serving.base import HeldBase

ROOM = 2
"""A row has room for this many of the longest examples, or for one where that leaves less padding: with
more room the rows of several trials are of more like lengths."""

_LEAST = 0.05
"""Share of the tokens of passes that it must spare: attention with a mask is slower than without."""

_STEPS = 8
"""Steps whose padding is counted."""


def share_rows(pack: Pack, base: HeldBase, probes: Sequence[TrainingParameters]) -> str:
    """Has examples of a trial share rows where the model keeps them apart; a collective call.

    Args:
        pack: Its `row_room` is set.
        base: The base model.
        probes: Parameters of trials like those to come, as many as are held at once at the most.

    Returns:
        In one line, whether they do, and what padding it spares.
    """
    longest = pack.longest
    reason = why_apart(base, pack.examples, ROOM * longest)
    if base.any_worker(reason is not None):  # all plan the same passes, whatever rounding says on each
        return f"no sequence packing: {reason or 'another worker has found a reason'}"
    before = padding(pack, base, probes, None)
    after, room = min((padding(pack, base, probes, room), room) for room in (longest, ROOM * longest))
    spared = f"{after:.0%} padding instead of {before:.0%}"
    if (1 - before) / (1 - after) > 1 - _LEAST:
        return f"no sequence packing: it would save too little ({spared})"
    pack.row_room = room
    return f"sequence packing: {spared}"


def padding(pack: Pack, base: HeldBase, probes: Sequence[TrainingParameters], room: int | None) -> float:
    """Share of padding in the passes of the first steps of such trials together; 0 without any."""
    trials = [pack.make(f"probe{index}", params) for index, params in enumerate(probes)]
    trials.sort(key=lambda trial: -trial.params.batch_size)
    real = passed = 0
    for step in range(_STEPS if trials else 0):
        for trial in trials:
            trial.step = step
        shares = deal(trials, base.rank, base.world, room)
        lengths = [share.lengths for share in shares]
        passes = plan_passes(lengths, pack.limits.tokens, pack.limits.examples, pack.limits.cost)
        real += sum(map(sum, lengths))
        passed += sum(sum(planned.counts) * planned.width(lengths) for planned in passes)
    return 1 - real / passed if passed else 0.0
