"""Run as the workers of a group: each writes what came out of all that two workers must do as one does.

All in the same processes: importing takes longer than any of it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from tests.trainables import conforming, harness_groups, sharded_packs
from trainables.serving.base import start_deepspeed
from trainables.specs import TRAINABLES

SHARDED = 3
"""The stage that shares the weights out, so that workers must take every pass together."""
WHOLE = ("soft_prompt", "adaptation")
"""Trained with whole weights: one that can shard them and one that cannot. Packs are in `sharded_packs`."""


def cases() -> list[tuple[str, int]]:
    """Trainables and stages."""
    sharded = [name for name in conforming.PARAMS if TRAINABLES[name].unsharded is None]
    return [*((name, SHARDED) for name in sharded), *((name, 0) for name in WHOLE)]


def trainables(folder: Path) -> dict[str, Any]:
    """Numbers of the base model and of a trial in each case."""
    replies = {}
    for trainable, stage in cases():
        place = folder / f"{trainable}{stage}"
        given = conforming.settings(trainable, place, zero_stage=stage, micro_batch=2)
        server = conforming.serving(given)
        base = conforming.baseline(server)
        trained = conforming.train(server, conforming.first_request(trainable))
        replies[f"{trainable}{stage}"] = [conforming.numbers(base), conforming.numbers(trained)]
    return replies


def tasks(folder: Path, groups: list[list[str]]) -> list[list[dict[str, Any]]]:
    """Replies of groups that serve one after the other, each with the task files that it is to ask."""
    return [
        [
            reply.model_dump()
            for reply in harness_groups.answers(harness_groups.settings(folder, SHARDED, *paths))
        ]
        for paths in groups
    ]


def main(folder: Path, groups: list[list[str]]) -> None:
    dist.init_process_group("gloo")
    torch.set_num_threads(1)
    start_deepspeed(torch.device("cpu"))
    results = {
        "packs": {stage: sharded_packs.train(stage) for stage in sharded_packs.STAGES},
        "trainables": trainables(folder),
        "tasks": tasks(folder, groups),
    }
    (folder / f"worker{dist.get_rank()}.json").write_text(json.dumps(results))
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
    # DeepSpeed keeps its groups, whose threads may still want Python while it is torn down: a rare
    # abort in C++. All is written and every worker has passed the barrier: nothing is left to do.
    os._exit(0)
