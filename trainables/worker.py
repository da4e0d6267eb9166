"""The loop of a worker: joins its group, then serves rounds of requests until told to stop."""

from __future__ import annotations

import dataclasses
import os
import time
from typing import TYPE_CHECKING, Any

from trainables.errors import TrainableError
from trainables.messages import Delivery, GroupSettings, Reply

if TYPE_CHECKING:
    from trainables.lora.server import LoraServer


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

    from trainables.lora.base import start_deepspeed
    from trainables.lora.loading import load
    from trainables.lora.server import LoraServer

    torch.set_num_threads(settings.threads)
    device = torch.device("cuda", torch.cuda.current_device()) if settings.use_gpu else torch.device("cpu")
    loaded = None
    try:
        loaded = load(settings, device)
    except TrainableError as error:
        refusal = _agree(str(error))
    else:
        refusal = _agree("")
    if loaded is None or refusal:
        _refuse(dispatcher, name, refusal)
        return
    shrinks: int = ray.get(dispatcher.shrinks.remote(name))
    start_deepspeed(device)  # a long import, which would disturb the other groups' measuring as well
    if measures(settings, shrinks) and dist.get_rank() == 0:
        # The group's other workers come to a call that all make together, and wait in it.
        ray.get(dispatcher.wait_to_measure.remote(name))
    try:
        try:
            server = LoraServer(settings, loaded, shrinks)
        except TrainableError as error:  # on every worker alike
            _refuse(dispatcher, name, str(error))
            return
        incarnation = torch.zeros(1, dtype=torch.int64)
        if dist.get_rank() == 0:
            incarnation += ray.get(dispatcher.join.remote(name, server.facts(time.perf_counter() - began)))
        incarnation = server.from_first(incarnation)
        _serve_rounds(server, Mailbox(dispatcher, name, int(incarnation), dist.get_rank() == 0))
    except torch.OutOfMemoryError:  # in the middle of what all workers do together
        ray.get(dispatcher.short_of_memory.remote(name, shrinks))
        raise
    server.close()


def measures(settings: GroupSettings, shrinks: int) -> bool:
    """Whether a group that has run out of memory `shrinks` times has a choice of slots to measure for."""
    return settings.slots is None and settings.most_slots >> shrinks > 1


def _refuse(dispatcher: Any, name: str, problem: str) -> None:
    """Has the first worker say that the group cannot serve."""
    import ray
    import torch.distributed as dist

    if dist.get_rank() == 0:
        ray.get(dispatcher.refuse.remote(name, Reply("user", problem)))


def _serve_rounds(server: LoraServer, mailbox: Mailbox) -> None:
    while True:
        if not server.training or server.step(mailbox.full()):
            round_ = mailbox.take()
            if round_ is None:
                return
            for delivery in round_:
                server.accept(delivery)
        for sequence, reply in server.answers():
            mailbox.answer(sequence, reply)


class Mailbox:
    """A worker's end of its line to the dispatcher.

    Args:
        dispatcher: The actor's handle.
        name: Name of the group.
        incarnation: Which of its starts this is.
        first: Whether this is the group's first worker, the one that looks and answers for all.
    """

    def __init__(self, dispatcher: Any, name: str, incarnation: int, first: bool) -> None:
        self._dispatcher = dispatcher
        self._name = name
        self._incarnation = incarnation
        self._first = first
        self._index = 0
        self._asked: Any = None

    def full(self) -> bool:
        """Whether a round is there that has not been taken; only the first worker looks."""
        import ray

        return self._first and bool(ray.wait([self._ask()], timeout=0)[0])

    def take(self) -> tuple[Delivery, ...] | None:
        """The next round, which is waited for; None: stop serving. Every worker gets the same."""
        import ray

        round_: tuple[Delivery, ...] | None = ray.get(self._ask())
        self._asked = None
        self._index += 1
        return round_

    def answer(self, sequence: int, reply: Reply) -> None:
        """Sends a reply, and waits until it is there: what was answered is not done again."""
        import ray

        if self._first:
            reply = dataclasses.replace(reply, group=self._name)
            ray.get(self._dispatcher.answer.remote(self._name, self._incarnation, sequence, reply))

    def _ask(self) -> Any:
        if self._asked is None:
            self._asked = self._dispatcher.next_round.remote(self._name, self._incarnation, self._index)
        return self._asked


def _agree(problem: str) -> str:
    """The first problem that any worker has, on every worker: a file may be missing on one node only.

    A collective call: all workers go on together, or none does.
    """
    import torch.distributed as dist

    problems = [""] * dist.get_world_size()
    dist.all_gather_object(problems, problem)
    return next((text for text in problems if text), "")
