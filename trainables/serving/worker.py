"""The loop of a worker: joins its group, then serves rounds of requests until it is stopped."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trainables.crash import BeginSmallerError, DrainedError, PeerLostError, WorkerCrashedError, crash_of
from trainables.errors import TrainableError
from trainables.messages import Delivery, GroupSettings, Reply

if TYPE_CHECKING:
    from trainables.serving.held import Begin
    from trainables.serving.server import Server


def serve(config: dict[str, Any]) -> None:
    """Train loop of one Ray Train worker.

    Args:
        config: `name` of the group, its `settings`, and the `dispatcher` actor's handle.

    Raises:
        WorkerCrashedError: Of an error that nobody expected, of which the dispatcher has been notified.
        PeerLostError: Another worker of the group is gone.
        BeginSmallerError: Memory ran out.
        DrainedError: Its node, or that of another worker of the group, is about to be taken away.
    """
    began = time.perf_counter()
    import ray

    line = Line(config["dispatcher"], config["name"])
    start = line.begin()
    if start is None:
        return
    try:
        _serve(config["settings"], line, began)
    except (BeginSmallerError, DrainedError):
        raise
    except Exception as error:
        # A named boundary: whatever a model, its data or a library raises is to be read by the user.
        if _is_another_ones(error):
            raise PeerLostError(f"another worker of {line.name} is gone: {error}") from error
        crash = crash_of(error, line.at)
        ray.get(line.dispatcher.crashed.remote(line.name, start, crash))
        raise WorkerCrashedError(crash.line) from error


def _is_another_ones(error: Exception) -> bool:
    """Whether a collective call failed because of another worker, which has the reason."""
    import torch.distributed as dist

    several = dist.is_initialized() and dist.get_world_size() > 1
    return several and (isinstance(error, dist.DistError) or "gloo" in str(error))


def _serve(settings: GroupSettings, line: Line, began: float) -> None:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    line.now("importing libraries")

    import ray
    import torch

    from trainables.serving.base import needs_deepspeed, start_deepspeed
    from trainables.serving.place import storage_of
    from trainables.serving.server import Server
    from trainables.specs import TRAINABLES

    torch.set_num_threads(settings.threads)
    device = torch.device("cuda", torch.cuda.current_device()) if settings.use_gpu else torch.device("cpu")
    loading = f"loading the data and {TRAINABLES[settings.trainable].subject(settings.options)}"
    begin = _read(settings, device, line, loading)
    if begin is None:
        return
    shrinks: int = ray.get(line.dispatcher.shrinks.remote(line.name))
    if needs_deepspeed(settings.zero_stage):
        line.now("starting DeepSpeed")
        start_deepspeed(device)  # a long import, which would disturb the other groups' measuring as well
    if measures(settings, shrinks) and line.first:
        # The group's other workers come to a call that all make together, and wait in it.
        line.now("waiting for the other groups to load")
        ray.get(line.dispatcher.wait_to_measure.remote(line.name))
    try:
        line.now(
            "measuring how many trials to train at once" if measures(settings, shrinks) else "setting up"
        )
        try:
            server = Server(settings, begin(shrinks), line.say, storage_of(settings, line.driver, line.say))
        except TrainableError as error:  # on every worker alike
            line.refuse(str(error))
            return
        incarnation = torch.zeros(1, dtype=torch.int64)
        if line.first:
            facts = server.facts(time.perf_counter() - began)
            incarnation += ray.get(line.dispatcher.join.remote(line.name, facts))
        incarnation = server.from_first(incarnation)
        line.now("training and measuring trials")
        _serve_rounds(server, Mailbox(line.dispatcher, line.name, int(incarnation), line.first))
        if ray.get(line.dispatcher.leave.remote(line.name, int(incarnation))):
            raise DrainedError(f"the node of {line.name} is about to be taken away")
    except torch.OutOfMemoryError as error:  # in the middle of what all workers do together
        ray.get(line.dispatcher.short_of_memory.remote(line.name, shrinks))
        raise BeginSmallerError(str(error)) from error
    server.close()


def _read(settings: GroupSettings, device: Any, line: Line, loading: str) -> Begin | None:
    """What the worker reads, on every worker or, where any of them cannot, on none: then None.

    Args:
        settings: What the group serves.
        device: Of the worker.
        line: To the dispatcher.
        loading: What this is, to follow "while".

    Raises:
        Exception: What this worker cannot do for a reason that nobody expected.
    """
    from trainables.models.quantisation import without_bitsandbytes
    from trainables.serving.place import Inputs, check_versions
    from trainables.specs import TRAINABLES

    begin, problem, crash = None, "", None
    spec = TRAINABLES[settings.trainable]
    try:
        if settings.distant is not None:
            check_versions(settings.distant)
            inputs = Inputs(settings.distant, line.driver, line.now)
            options = spec.localise(settings.options, inputs.place)
            settings = replace(settings, options=options, copies=tuple(inputs.copies))
        with without_bitsandbytes():
            read = spec.worker()
        line.now(loading)
        begin = read(settings, device)
    except TrainableError as error:
        problem = str(error)
    except Exception as error:  # noqa: BLE001 - raised again once the other workers know
        crash = error
    refusal = _agree(problem or (_CRASHED if crash is not None else ""))
    if crash is not None:
        raise crash
    if refusal:
        if refusal != _CRASHED:
            line.refuse(refusal)
        return None
    return begin


_RECEIPT_SECONDS, _ROUND_SECONDS = 30.0, 60.0
"""Ray does not notice that a receipt was lost with a link that is back: the answer is sent again, and a round
that does not come is asked for again."""

_CRASHED = "\0crashed"
"""Said of a worker that has no message for the user but an exception to raise."""


def measures(settings: GroupSettings, shrinks: int) -> bool:
    """Whether a group that has run out of memory `shrinks` times has a choice of slots to measure for."""
    return settings.slots is None and settings.most_slots >> shrinks > 1


def _serve_rounds(server: Server, mailbox: Mailbox) -> None:
    while True:
        if not server.training or server.step(mailbox.full()):
            round_ = mailbox.take()
            if round_ is None:
                return
            for delivery in round_:
                server.accept(delivery)
        for sequence, reply in server.answers():
            mailbox.answer(sequence, reply)


class Line:
    """What a worker says to the dispatcher beside its answers.

    Args:
        dispatcher: The actor's handle.
        name: Name of the group.
    """

    def __init__(self, dispatcher: Any, name: str) -> None:
        from ray import train

        from trainables.serving.place import DispatcherLine

        self.dispatcher = dispatcher
        self.name = name
        self.driver = DispatcherLine(dispatcher)
        self.at = "beginning"
        self._rank: int = train.get_context().get_world_rank()
        self.first = self._rank == 0

    def begin(self) -> int | None:
        """The number of the group's start; None where the group has been given up."""
        import ray

        node = ray.get_runtime_context().get_node_id()
        start: int | None = ray.get(self.dispatcher.begin.remote(self.name, self._rank, node))
        return start

    def now(self, what: str) -> None:
        """Says what the worker is at, to follow "while"; waits for nothing."""
        self.at = what
        if self.first:
            self.dispatcher.doing.remote(self.name, what)

    def say(self, text: str) -> None:
        """Has whoever watches the search read this; waits for nothing."""
        self.dispatcher.say.remote(self.name, text)

    def refuse(self, problem: str) -> None:
        """Has the first worker say that the group can never serve."""
        import ray

        if self.first:
            ray.get(self.dispatcher.refuse.remote(self.name, Reply("user", problem)))


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

        while not ray.wait([self._ask()], timeout=_ROUND_SECONDS)[0]:
            self._asked = None  # the reply may have been lost with a link: it is the same round again
        round_: tuple[Delivery, ...] | None = ray.get(self._ask())
        self._asked = None
        self._index += 1
        return round_

    def answer(self, sequence: int, reply: Reply) -> None:
        """Sends a reply, and waits until it is there: what was answered is not done again."""
        import ray

        if self._first:
            reply = reply.model_copy(update={"group": self._name})
            while True:
                sent = self._dispatcher.answer.remote(self._name, self._incarnation, sequence, reply)
                if ray.wait([sent], timeout=_RECEIPT_SECONDS)[0]:
                    ray.get(sent)
                    return

    def _ask(self) -> Any:
        if self._asked is None:
            self._asked = self._dispatcher.next_round.remote(self._name, self._incarnation, self._index)
        return self._asked


def _agree(problem: str) -> str:
    """The first problem that any worker has, on every worker: a file may be missing on one node only.

    A collective call: all workers go on together, or none does.
    """
    import torch.distributed as dist

    if not dist.is_initialized():
        return problem
    problems = [""] * dist.get_world_size()
    dist.all_gather_object(problems, problem)
    return next((text for text in problems if text), "")
