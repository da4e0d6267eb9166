"""Each trainable on the embedded model, for the test that all of them pass."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from search.groups.depot import Depot
from tests.trainables.sections import sections_of
from trainables.messages import (
    BaselineRequest,
    Delivery,
    EarlyRungs,
    GroupSettings,
    Params,
    Reply,
    TrainRequest,
    TrialRequest,
)
from trainables.serving.server import Server
from trainables.serving.storage import DistantStorage
from trainables.settings import Quantization
from trainables.specs import TRAINABLES

STEPS = 6
PARAMS: dict[str, Params] = {
    "adaptation": {"lr": 3e-3, "lr_embeddings": 1e-2, "batch_size": 5, "seed": 1, "weight_decay": 0.01},
    "lora": {
        "lr": 3e-3,
        "loraplus_lr_ratio": 2.0,
        "use_dora": True,
        "rank": 4,
        "layers": 3,
        "batch_size": 5,
        "seed": 1,
        "weight_decay": 0.01,
    },
    "reconstruction": {
        "lr": 1e-2,
        "rank": 4,
        "layers": 2,
        "latent": 24,
        "hidden": 16,
        "answer_weight": 1.0,
        "answer_tokens": 2,
        "distillation_weight": 0.1,
        "batch_size": 5,
        "seed": 1,
        "weight_decay": 0.01,
    },
    "routing": {
        "lr": 1e-2,
        "rank": 4,
        "rank_bad": 2,
        "layers": 3,
        "batch_size": 5,
        "seed": 1,
        "weight_decay": 0.01,
    },
    "soft_prompt": {"lr": 3e-2, "virtual_tokens": 4, "batch_size": 5, "seed": 1, "weight_decay": 0.01},
}
"""Of a trial of each trainable; a further trainable needs an entry here, and no more."""


def settings(
    trainable: str, folder: Path, quantization: Quantization | None = None, **changes: Any
) -> GroupSettings:
    options = TRAINABLES[trainable].options
    sections = {name: sections_of(trainable)[name] for name in options.model_fields}
    sections["model"] = sections["model"].model_copy(update={"quantization": quantization})
    values: dict[str, Any] = {
        "trainable": trainable,
        "options": options(**sections),
        "seed": 0,
        "total_steps": STEPS,
        "zero_stage": 0,
        "micro_batch": None,
        "folder": str(folder),
        "threads": 1,
        "use_gpu": False,
        "slots": 1,
        "most_slots": 1,
        "probes": (PARAMS[trainable],),
    }
    return GroupSettings(**(values | changes))


def serving(given: GroupSettings, distant: bool = False) -> Server:
    """A group of its own, in this process; `distant`: as if on another machine than the search's folder."""
    held = TRAINABLES[given.trainable].worker()(given, torch.device("cpu"))(0)
    return Server(given, held, storage=DistantStorage(DirectLine(Path(given.folder))) if distant else None)


class DirectLine(Depot):
    """A line to a depot in the same process."""

    def send(self, chunk: bytes) -> bytes:
        """See `Line`."""
        return chunk


def train(server: Server, request: TrialRequest) -> Reply:
    server.accept(Delivery(0, 0, request))
    while server.training:
        server.step(interrupt=False)
    ((_, reply),) = server.answers()
    return reply


def baseline(server: Server, name: str = "base") -> Reply:
    server.accept(Delivery(0, 0, BaselineRequest(name)))
    ((_, reply),) = server.answers()
    return reply


def first_request(trainable: str, to_step: int = STEPS, trial: int = 0, **changes: Any) -> TrainRequest:
    params = PARAMS[trainable] | changes
    return TrainRequest(trial, params, 0, to_step, None, f"trials/{trial}/rung-0", to_step == STEPS)


def ladder(
    servers: Sequence[Server], trainable: str, rungs: Sequence[int], early: EarlyRungs | None = None
) -> list[Reply]:
    """A trial's replies at each of its rungs, each on the next of the servers."""
    replies: list[Reply] = []
    request = replace(first_request(trainable, rungs[0]), early=early)
    for index, server in enumerate(servers):
        replies.append(train(server, request))
        if index + 1 < len(rungs):
            request = request.following(replies[-1], rungs[index + 1], rungs[index + 1] == STEPS)
    return replies


def numbers(reply: Reply) -> dict[str, Any]:
    """What must not depend on where and with whom a trial was trained."""
    assert reply.outcome == "ok", reply.message
    return {"step": reply.step, **reply.metrics, **{f"loss {step}": loss for step, loss in reply.curve}}


def digest(tensors: dict[str, torch.Tensor]) -> str:
    """SHA-256 of a model's numbers."""
    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        total.update(name.encode() + tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()
