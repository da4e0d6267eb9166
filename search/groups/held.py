"""What the table of slots holds of each request and each group."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field

from search.groups.losses import Starts
from trainables.messages import BaselineRequest, Delivery, GiveUp, Reply, Request

MAX_DELIVERIES = 3
"""A request whose workers have died as often is given up. The last time it is delivered alone, so that
no other trial is given up with the one that kills them.

Machines that were lost do not count here: under one request as many may be lost as in a group, or as this."""


_BASELINE = -1
"""Holder of a slot that measures the base model."""


def holder(request: Request) -> int:
    """What holds the slot in which a request is served."""
    return _BASELINE if isinstance(request, BaselineRequest) else request.trial


@dataclass
class Work:
    """A request and the future of its reply.

    Attributes:
        deliveries: How often it was delivered, without those that ended for a reason that is not its own.
        machines: How many machines were lost under it.
        last_machine: Whether it is given up with the next one.
        crashes: How often its workers have crashed, by the way.
    """

    request: Request
    reply: asyncio.Future[Reply]
    deliveries: int = 0
    machines: int = 0
    last_machine: bool = False
    crashes: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def suspect(self) -> bool:
        """Whether its workers have died so often that it is to be delivered alone."""
        return self.last_machine or self.deliveries >= MAX_DELIVERIES - 1


@dataclass
class Group:
    """A worker group as the table of slots has it: who holds its slots, and what it has to do.

    Attributes:
        slots: The trial that holds each, or what stands for the base model's measurement; None: it is free.
        starts: Of its workers.
        serving: The start that serves, or was the last to; 0 before any.
        left: The starts whose workers were asked to leave and start again elsewhere.
        up: Whether it serves.
        rounds: What this start was given.
        queue: Requests that wait for a round, with their slots.
        outstanding: Deliveries that are not answered, by sequence number.
        withdrawn: Deliveries that have some of these given up, and wait for a round.
        asked_at: When the first request of the queue came, by the loop's clock.
        ended: Whether it is given up.
        shrinks: How often its memory ran out.
        alone: Whether its last round is of a suspect.
    """

    name: str
    slots: list[int | None]
    starts: Starts
    serving: int = 0
    left: set[int] = field(default_factory=set)
    up: bool = False
    rounds: list[tuple[Delivery, ...]] = field(default_factory=list)
    queue: deque[tuple[int, Work]] = field(default_factory=deque)
    outstanding: dict[int, tuple[int, Work]] = field(default_factory=dict)
    withdrawn: list[Delivery] = field(default_factory=list)
    asked_at: float = 0.0
    ended: bool = False
    shrinks: int = 0
    alone: bool = False

    @property
    def busy(self) -> set[int]:
        """Slots with a delivery that is not answered."""
        return {slot for slot, _ in self.outstanding.values()}

    @property
    def suspect(self) -> tuple[int, Work] | None:
        """The first waiting request that is to be delivered alone, with its slot."""
        return next(((slot, work) for slot, work in self.queue if work.suspect), None)

    @property
    def free(self) -> list[int]:
        """Slots that a waiting request may have; one whose trial has left may still be busy with it."""
        busy = self.busy
        return [slot for slot, held in enumerate(self.slots) if held is None and slot not in busy]

    def forgive(self, machine: bool = False) -> None:
        """What ends its workers is not to be put down to the requests that are under way.

        Args:
            machine: Whether a machine was lost. It may be a request that takes them down, one after another.
        """
        for _, work in self.outstanding.values():
            work.deliveries -= 1
            work.machines += machine
            work.last_machine = work.machines >= self.most_machines - 1

    @property
    def most_machines(self) -> int:
        """A request under which as many machines were lost is given up."""
        return max(MAX_DELIVERIES, self.starts.most_losses)

    def take_waiting(self, trial: int) -> list[Work]:
        """Takes the requests of a trial out of the queue."""
        taken = [work for _, work in self.queue if holder(work.request) == trial]
        self.queue = deque((slot, work) for slot, work in self.queue if holder(work.request) != trial)
        return taken

    def give_up(self, trial: int) -> list[Work]:
        """Has the next round end what a trial is in training for; returns that."""
        given_up = [
            (sequence, slot, work)
            for sequence, (slot, work) in self.outstanding.items()
            if holder(work.request) == trial
        ]
        self.withdrawn += [Delivery(sequence, slot, GiveUp(trial)) for sequence, slot, _ in given_up]
        return [work for _, _, work in given_up]

    def form_round(self, first: int) -> tuple[Delivery, ...]:
        """At most one request per slot, and only of slots that are not busy; a suspect alone.

        What is to be given up has a round of its own.

        Args:
            first: Sequence number of its first request; the others follow.
        """
        if self.withdrawn:
            given_up, self.withdrawn = tuple(self.withdrawn), []
            return given_up
        busy, suspect = self.busy, self.suspect
        self.alone = suspect is not None
        chosen: dict[int, Work] = {}
        later: deque[tuple[int, Work]] = deque()
        for slot, work in self.queue:
            if slot in chosen or slot in busy or suspect not in (None, (slot, work)):
                later.append((slot, work))
            else:
                chosen[slot] = work
        self.queue = later
        deliveries = []
        for sequence, (slot, work) in enumerate(chosen.items(), first):
            work.deliveries += 1
            self.outstanding[sequence] = (slot, work)
            deliveries.append(Delivery(sequence, slot, work.request))
        return tuple(deliveries)

    def clear(self) -> None:
        """Nobody holds a slot, and there is nothing to do: the workers are gone."""
        self.outstanding.clear()
        self.queue.clear()
        self.withdrawn.clear()
        self.slots = [None] * len(self.slots)

    def enqueue(self, slot: int, work: Work) -> None:
        """Has a request wait for the next round."""
        if not self.queue:
            self.asked_at = asyncio.get_running_loop().time()
        self.queue.append((slot, work))

    def ready_at(self, linger: float) -> float | None:
        """When the next round may be formed, by the loop's clock; None while there is nothing for one.

        At once where something is to be given up, where every slot has a request, where the base model is
        to be measured, and where trials are in training, which more can join at any time; else once others
        have had time to ask.
        """
        if self.withdrawn:
            return 0.0
        busy = self.busy
        requests = {slot: work.request for slot, work in self.queue if slot not in busy}
        if not requests or (busy and (self.alone or self.suspect is not None)):
            return None
        complete = len(requests) == len(self.slots)
        baseline = any(isinstance(request, BaselineRequest) for request in requests.values())
        return self.asked_at + (0.0 if busy or complete or baseline else linger)


PATIENCE_SECONDS = 10.0
"""A node may come much later than the others, which lose at most this much to it."""


class Gathering:
    """Has groups begin to measure together.

    Measured while another group on the machine imports and loads, throughput is lower than it will be.
    All measuring at once is how they will train.

    Args:
        patience: Seconds that a group waits at most.
    """

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._loading: set[str] = set()
        self._complete = asyncio.Event()

    def expect(self, name: str) -> None:
        """A group is being started: the others wait for it."""
        self._loading.add(name)
        self._complete.clear()

    def dismiss(self, name: str) -> None:
        """Nobody waits for this group any more, and not again where it restarts: it has loaded, or ended."""
        self._loading.discard(name)
        if not self._loading:
            self._complete.set()

    async def arrive(self, name: str) -> None:
        """This group has loaded; returns when no other is waited for, or `patience` has passed."""
        self.dismiss(name)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await self._complete.wait()
