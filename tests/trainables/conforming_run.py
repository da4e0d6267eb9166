"""Run by torchrun: trains a trial of each trainable on several workers; the first writes what came out."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from tests.trainables.conforming import PARAMS, baseline, first_request, numbers, serving, settings, train


def main(folder: Path) -> None:
    dist.init_process_group("gloo")
    torch.set_num_threads(1)
    replies = {}
    for trainable in PARAMS:
        for stage in (0, 3):
            given = settings(trainable, folder / f"{trainable}{stage}", zero_stage=stage, micro_batch=2)
            server = serving(given)
            base, trained = baseline(server), train(server, first_request(trainable))
            replies[f"{trainable}{stage}"] = [numbers(base), numbers(trained)]
    if dist.get_rank() == 0:
        (folder / "replies.json").write_text(json.dumps(replies))
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    # DeepSpeed's threads may still want Python while it is torn down: all is written.
    os._exit(0)
