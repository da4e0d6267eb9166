"""The line from a worker to the dispatcher: a link that is cut and comes back loses no call.

Ray does not notice that a reply was lost with such a link, so a worker makes every call again until there is
a reply. A call names the start of the group that it comes from: one that comes twice, or after that start has
ended, changes nothing.
"""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainables.messages import Delivery, GroupFacts, Reply

REPLY_SECONDS = 30.0
_MOST_MADE = 8
"""A slow link brings the reply of an earlier one; who has waited for as many waits for the later ones."""


class Call:
    """A call of an actor, made again until there is a reply.

    Args:
        make: Makes it; it does no harm when it is made more than once.
        seconds: After which it is made again.
    """

    def __init__(self, make: Callable[[], Any], seconds: float = REPLY_SECONDS) -> None:
        self._make, self._seconds = make, seconds
        self._made: deque[Any] = deque(maxlen=_MOST_MADE)
        self._again_at = 0.0
        self._replied: Any = None

    def done(self) -> bool:
        """Whether a reply is there; waits for nothing."""
        return self._wait(0.0)

    def reply(self) -> Any:
        """The reply, which is waited for.

        Raises:
            Exception: What the call has raised.
        """
        import ray

        while not self._wait(self._seconds):
            pass
        return ray.get(self._replied)

    def _wait(self, seconds: float) -> bool:
        import ray

        if self._replied is None:
            if time.monotonic() >= self._again_at:
                self._made.append(self._make())
                self._again_at = time.monotonic() + self._seconds
            self._replied = next(iter(ray.wait(list(self._made), timeout=seconds)[0]), None)
        return self._replied is not None


class DispatcherLine:
    """A line to the driver's machine, on which the dispatcher is.

    Args:
        dispatcher: Its handle.
    """

    def __init__(self, dispatcher: Any) -> None:
        self._dispatcher = dispatcher

    def call(self, method: str, *given: Any) -> Any:
        """What a method of the dispatcher returns."""
        return Call(lambda: getattr(self._dispatcher, method).remote(*given)).reply()

    def keep(self, name: str, parts: Mapping[str, Sequence[Any]]) -> None:
        """See `trainables.serving.storage.Line`."""
        self.call("keep", name, dict(parts))

    def send(self, chunk: bytes) -> Any:
        """See `trainables.serving.storage.Line`."""
        import ray

        return ray.put(chunk)

    def listing(self, name: str) -> list[tuple[str, int]] | None:
        """See `trainables.serving.storage.Line`."""
        files: list[tuple[str, int]] | None = self.call("listing", name)
        return files

    def read(self, name: str, file: str, offset: int) -> bytes:
        """See `trainables.serving.storage.Line`."""
        chunk: bytes = self.call("read", name, file, offset)
        return chunk

    def drop_old_moments(self, name: str) -> None:
        """See `trainables.serving.storage.Line`."""
        self._dispatcher.drop_old_moments.remote(name)


class GroupLine:
    """A worker's line to the dispatcher.

    Args:
        dispatcher: The actor's handle.
        name: Name of the group.

    Attributes:
        driver: To the driver's machine.
        at: What the worker has said that it is at.
        first: Whether this is the group's first worker, which speaks for all.
        start: Number of the group's start; 0 before the dispatcher knows of it.
    """

    def __init__(self, dispatcher: Any, name: str) -> None:
        from ray import train

        context = train.get_context()
        self._dispatcher = dispatcher
        self.name = name
        self.driver = DispatcherLine(dispatcher)
        self.at = "beginning"
        self.first = context.get_world_rank() == 0
        self._workers: int = context.get_world_size()
        self.start = 0

    def begin(self) -> bool:
        """Announces a start of the group; whether there is anything to do. A collective call."""
        import ray

        nodes = [ray.get_runtime_context().get_node_id()]
        if self._workers > 1:
            import torch.distributed as dist

            nodes *= self._workers
            dist.all_gather_object(nodes, nodes[0])
        start: list[int | None] = [None]
        if self.first:
            start = [self.driver.call("begin", self.name, uuid.uuid4().hex, nodes)]
        if self._workers > 1:
            dist.broadcast_object_list(start, src=0)
        self.start = start[0] or 0
        return bool(self.start)

    def now(self, what: str) -> None:
        """Says what the worker is at, to follow "while"; waits for nothing."""
        self.at = what
        if self.first:
            self._dispatcher.doing.remote(self.name, what)

    def say(self, text: str) -> None:
        """Has whoever watches the search read this; waits for nothing."""
        self._dispatcher.say.remote(self.name, text)

    def call(self, method: str, *given: Any) -> Any:
        """What a method of the dispatcher that has to do with this start returns."""
        return self.driver.call(method, self.name, self.start, *given)

    def shrinks(self) -> int:
        """How often the group has run out of memory in a way that ended its workers."""
        count: int = self.driver.call("shrinks", self.name)
        return count

    def wait_to_measure(self) -> None:
        """Waits, as the first worker, until the other groups have loaded."""
        self.driver.call("wait_to_measure", self.name)

    def join(self, facts: GroupFacts) -> None:
        """Has the first worker say that the group serves. A collective call."""
        if self.first:
            self.call("join", facts)
        if self._workers > 1:
            import torch.distributed as dist

            dist.barrier()

    def refuse(self, problem: str) -> None:
        """Has the first worker say that the group can never serve."""
        if self.first:
            self.call("refuse", Reply("user", problem))

    def leave(self) -> bool:
        """Says that the worker is given no more rounds; whether the group is to start again elsewhere."""
        again: bool = self.call("leave")
        return again


class Mailbox:
    """Rounds of requests that a worker is given, and its replies to them.

    Args:
        dispatcher: The actor's handle.
        line: Of the worker.
    """

    def __init__(self, dispatcher: Any, line: GroupLine) -> None:
        self._dispatcher = dispatcher
        self._line = line
        self._index = 0
        self._asked = self._ask()  # the call itself is made when it is first looked at

    def full(self) -> bool:
        """Whether a round is there that has not been taken; only the first worker looks."""
        return self._line.first and self._asked.done() and self._there()

    def take(self) -> tuple[Delivery, ...] | None:
        """The next round, which is waited for; None: stop serving. Every worker gets the same."""
        while not self._there():
            pass
        round_: tuple[Delivery, ...] | None = self._asked.reply()
        if round_ is not None:
            self._index += 1
            self._asked = self._ask()
        return round_

    def answer(self, sequence: int, reply: Reply) -> None:
        """Sends a reply, and waits until it is there: what was answered is not done again."""
        if self._line.first:
            self._line.call("answer", sequence, reply.model_copy(update={"group": self._line.name}))

    def _there(self) -> bool:
        """Whether the reply is a round; where the dispatcher had none for long, it is asked again."""
        if self._asked.reply() == ():
            self._asked = self._ask()
            return False
        return True

    def _ask(self) -> Call:
        name, start, index = self._line.name, self._line.start, self._index
        return Call(lambda: self._dispatcher.next_round.remote(name, start, index))
