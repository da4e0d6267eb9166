"""The loop of a worker: joins its group, then serves rounds of requests until told to stop."""

from __future__ import annotations

import dataclasses
import os
import time
from typing import Any

from trainables.errors import TrainableError
from trainables.messages import Delivery, GroupSettings, Reply


def serve(config: dict[str, Any]) -> None:
    """Train loop of one Ray Train worker.

    Args:
        config: `name` of the group, its `settings`, and the `dispatcher` actor's handle.
    """
    began = time.perf_counter()
    name: str = config["name"]
    settings: GroupSettings = config["settings"]
    dispatcher = config["dispatcher"]
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

    import ray
    import torch
    import torch.distributed as dist

    from trainables.lora.server import LoraServer, load

    torch.set_num_threads(settings.threads)
    device = torch.device("cuda", torch.cuda.current_device()) if settings.use_gpu else torch.device("cpu")
    loaded, server = None, None
    try:
        loaded = load(settings, device)
    except TrainableError as error:
        refusal = _agree(str(error))
    else:
        refusal = _agree("")
    if loaded is not None and not refusal:
        try:
            server = LoraServer(settings, loaded)
        except TrainableError as error:
            refusal = _agree(str(error))
        else:
            refusal = _agree("")
    rank = dist.get_rank()
    if server is None or refusal:
        if rank == 0:
            ray.get(dispatcher.refuse.remote(name, Reply("user", refusal)))
        return
    incarnation = torch.zeros(1, dtype=torch.int64)
    if rank == 0:
        incarnation += ray.get(dispatcher.join.remote(name, server.facts(time.perf_counter() - began)))
    incarnation = server.from_first(incarnation)
    index = 0
    while True:
        round_: tuple[Delivery, ...] | None = ray.get(
            dispatcher.next_round.remote(name, int(incarnation), index)
        )
        if round_ is None:
            break
        for delivery in round_:
            reply = dataclasses.replace(server.serve(delivery.slot, delivery.request), group=name)
            if rank == 0:
                ray.get(dispatcher.answer.remote(name, int(incarnation), delivery.sequence, reply))
        index += 1
    server.close()


def _agree(problem: str) -> str:
    """The first problem that any worker has, on every worker: a file may be missing on one node only.

    A collective call: all workers go on together, or none does.
    """
    import torch.distributed as dist

    problems = [""] * dist.get_world_size()
    dist.all_gather_object(problems, problem)
    return next((text for text in problems if text), "")
