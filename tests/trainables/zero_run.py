"""Run by torchrun: trains three trials in turn under a ZeRO stage; the first worker writes what came out."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from tests.trainables.small import random_examples, tiny_llama
from trainables.lora.adapters import Adapters
from trainables.lora.base import HeldBase
from trainables.lora.parameters import LoraParameters
from trainables.lora.trial import LoraTrial


def logits(base: HeldBase) -> list[float]:
    """A probe of the model as it is now."""
    with torch.no_grad():
        values = base.model(input_ids=torch.arange(12)[None], use_cache=False).logits
    return [float(value) for value in values[0, -1]]


def main(stage: int, out: Path) -> None:
    """Trains ranks 4, 8 and 2 with a whole batch, accumulation, and a batch that workers share unevenly."""
    dist.init_process_group("gloo")
    torch.set_num_threads(1)
    # No weight stays gathered, so that stage 3 really shards even this small a model.
    base = HeldBase(tiny_llama(), stage, persist=0)
    adapters = Adapters(base.model, "tiny")
    report = {"base": logits_without(base, adapters), "trials": []}
    for rank, micro_batch, batch_size in ((4, None, 4), (8, 2, 6), (2, 3, 5)):
        params = LoraParameters(lr=1e-2, rank=rank, batch_size=batch_size, seed=rank, clip=0.5)
        trial = LoraTrial("slot0", params, base, adapters, random_examples(), 12, micro_batch)
        trial.train(8)
        report["trials"].append({"losses": trial.slice.losses, "logits": logits(base)})
        trial.close()
    report["base_after"] = logits_without(base, adapters)
    if dist.get_rank() == 0:
        out.write_text(json.dumps(report))
    dist.barrier()
    dist.destroy_process_group()


def logits_without(base: HeldBase, adapters: Adapters) -> list[float]:
    """The probe with every adapter switched off."""
    with adapters.disabled():
        return logits(base)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
