"""Packs of trials that must come out the same under each ZeRO stage and on any number of workers."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
import torch.distributed as dist

from tests.trainables.small import random_examples, tiny_llama
from trainables.lora.adapters import Adapters
from trainables.lora.pack import Pack, PassLimits
from trainables.lora.parameters import LoraParameters
from trainables.lora.sequences import why_apart
from trainables.serving.base import HeldBase


def logits(base: HeldBase, adapters: Adapters, rows: int) -> list[list[float]]:
    """A probe of the first adapters, or of the base model where `rows` is 0."""
    tokens = torch.arange(12).repeat(max(1, rows), 1)
    with torch.no_grad(), adapters.active(rows):
        adapters.lay_out_active([1] * rows)
        values = base.model(input_ids=tokens, use_cache=False).logits
    return [[float(value) for value in row] for row in values[:, -1]]


_SPARED = "spared"
"""After a stage: with recomputed blocks and shared rows."""
QUANTISED = "nf4"
"""After a stage: on a base in 4 bits."""
STAGES = ("0", "2", f"3{_SPARED}")
if find_spec("bitsandbytes") is not None:
    STAGES += (f"0{QUANTISED}", f"3{_SPARED}{QUANTISED}")


def train(stage: str) -> dict[str, Any]:
    """Trains ranks 4, 8 and 2 in one pack, with accumulation and batches that workers share unevenly."""
    spared, number = _SPARED in stage, int(stage[0])
    model = tiny_llama()
    if QUANTISED in stage:
        from trainables.models.nf4 import quantise_layers

        quantise_layers(model)
    # No weight stays gathered, so that stage 3 really shards even this small a model.
    base = HeldBase(model, number, persist=0, checkpointing=spared)
    whole = base.find_head(always=True)
    if number == 0:
        base.head = None
    adapters = Adapters(base.model, "tiny")
    report: dict[str, Any] = {"base": logits(base, adapters, 0), "whole_logits": whole}
    examples = random_examples()
    room = 20 if spared else None
    if spared:
        report["why_apart"] = why_apart(base, examples, 20)
    pack = Pack(base, adapters, examples, 12, PassLimits(tokens=60, examples=3, cost=10), row_room=room)
    trials = []
    for rank, batch_size in ((4, 4), (8, 6), (2, 5)):
        params = LoraParameters(lr=1e-2, rank=rank, batch_size=batch_size, seed=rank, clip=0.5, dropout=0.1)
        trials.append(pack.add(f"rank{rank}", params))
        pack.start(trials[-1], 5)
    words = 0
    while pack.active:
        words += pack.step(interrupt=dist.get_rank() == 0 and trials[0].step == 3).interrupt
    adapters.arrange([trial.name for trial in trials])
    report["losses"] = [trial.slice.losses for trial in trials]
    report["logits"] = logits(base, adapters, 3)
    report["base_after"] = logits(base, adapters, 0)
    every: list[int] = [0] * dist.get_world_size()
    dist.all_gather_object(every, words)
    report["words"] = every
    return report
