"""Which group and slot serves which trial: the bookkeeping of the dispatcher, without Ray."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from trainables.messages import Delivery, Reply, Request, TrainRequest

MAX_DELIVERIES = 3


@dataclass
class _Work:
    """A request, the future of its reply, and how often it was delivered."""

    request: Request
    reply: asyncio.Future[Reply]
    deliveries: int = 0


@dataclass
class _Group:
    name: str
    slots: list[int | None]
    incarnation: int = -1
    up: bool = False
    rounds: list[tuple[Delivery, ...]] = field(default_factory=list)
    queue: deque[tuple[int, _Work]] = field(default_factory=deque)
    outstanding: dict[int, tuple[int, _Work]] = field(default_factory=dict)
    ended: bool = False


class NoGroupsError(Exception):
    """Every worker group has ended; carries the last group's reason."""


class SlotTable:
    """Leases slots to trials, hands requests to groups in rounds, and survives restarts of groups.

    A round is what a group's workers do together; each worker asks for round 0, 1, 2 ... and all get
    the same. What a group had not answered when its workers died goes to any group with room, as
    requests say all that is needed to serve them from the last rung's checkpoint.
    """

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._homeless: deque[_Work] = deque()
        self._sequence = 0
        self._changed = asyncio.Event()
        self._stopping = False
        self._last_error = "no worker group was started"

    def add_group(self, name: str, slots: int) -> None:
        """Announces a group that is being started."""
        self._groups[name] = _Group(name, [None] * slots)

    def join(self, name: str) -> int:
        """Called by a group's first worker whenever the group (re)starts; returns the incarnation."""
        group = self._groups[name]
        self._take_back(group)
        group.incarnation += 1
        group.up = True
        group.rounds.clear()
        self._place()
        return group.incarnation

    def down(self, name: str) -> None:
        """The group's workers died; until it joins again its trials go on elsewhere where there is room."""
        group = self._groups[name]
        group.up = False
        self._take_back(group)
        self._place()

    async def submit(self, request: Request) -> Reply:
        """Has a request served by the trial's slot, or by the first that is free.

        Raises:
            NoGroupsError: No group is left that could serve it.
        """
        work = _Work(request, asyncio.get_running_loop().create_future())
        held = self._slot_of(request)
        if held is not None:
            group, slot = held
            group.queue.append((slot, work))
            self._wake()
        else:
            self._homeless.append(work)
            self._place()
        return await work.reply

    def release(self, trial: int) -> None:
        """Frees the slot of a trial."""
        for group in self._groups.values():
            group.slots = [None if held == trial else held for held in group.slots]
        self._place()

    async def next_round(self, name: str, incarnation: int, index: int) -> tuple[Delivery, ...] | None:
        """The group's `index`-th round in this incarnation; waits for work. None: stop serving."""
        group = self._groups[name]
        while True:
            if self._stopping or group.incarnation != incarnation:
                return None
            if index < len(group.rounds):
                return group.rounds[index]
            if group.queue:
                group.rounds.append(self._form_round(group))
                continue
            self._changed.clear()
            await self._changed.wait()

    def answer(self, name: str, incarnation: int, sequence: int, reply: Reply) -> None:
        """Takes a group's reply; one from before a restart is ignored."""
        group = self._groups[name]
        if group.incarnation != incarnation or sequence not in group.outstanding:
            return
        _, work = group.outstanding.pop(sequence)
        if not isinstance(work.request, TrainRequest):
            self._free_baseline(group)
        self._answer(work, reply)

    def end_group(self, name: str, error: str) -> None:
        """The group is gone for good: its trials go on elsewhere, or fail where no group is left."""
        group = self._groups[name]
        group.ended, group.up = True, False
        self._last_error = error
        self._take_back(group)
        self._place()

    def stop(self) -> None:
        """Lets every worker leave its loop."""
        self._stopping = True
        self._wake()

    def _take_back(self, group: _Group) -> None:
        """Everything that a group has not answered waits for a slot again, or is given up."""
        lost = [work for _, (_, work) in sorted(group.outstanding.items())]
        waiting = [work for _, work in group.queue]
        group.outstanding.clear()
        group.queue.clear()
        group.slots = [None] * len(group.slots)
        for work in reversed(lost + waiting):
            if work.deliveries >= MAX_DELIVERIES:
                message = f"its workers died {work.deliveries} times on this rung"
                self._answer(work, Reply("worker_lost", message))
            else:
                self._homeless.appendleft(work)

    def _slot_of(self, request: Request) -> tuple[_Group, int] | None:
        if isinstance(request, TrainRequest):
            for group in self._groups.values():
                if not group.ended and request.trial in group.slots:
                    return group, group.slots.index(request.trial)
        return None

    def _place(self) -> None:
        """Gives free slots of groups that are up to waiting requests, oldest first."""
        if self._groups and all(group.ended for group in self._groups.values()):
            while self._homeless:
                self._homeless.popleft().reply.set_exception(NoGroupsError(self._last_error))
            return
        for group in self._groups.values():
            for slot, held in enumerate(group.slots):
                if held is None and group.up and self._homeless:
                    work = self._homeless.popleft()
                    group.slots[slot] = work.request.trial if isinstance(work.request, TrainRequest) else -1
                    group.queue.append((slot, work))
        self._wake()

    def _form_round(self, group: _Group) -> tuple[Delivery, ...]:
        """At most one request per slot: what a group can do in one pass."""
        chosen: dict[int, _Work] = {}
        later: deque[tuple[int, _Work]] = deque()
        for slot, work in group.queue:
            if slot in chosen:
                later.append((slot, work))
            else:
                chosen[slot] = work
        group.queue = later
        deliveries = []
        for slot, work in chosen.items():
            work.deliveries += 1
            group.outstanding[self._sequence] = (slot, work)
            deliveries.append(Delivery(self._sequence, slot, work.request))
            self._sequence += 1
        return tuple(deliveries)

    def _free_baseline(self, group: _Group) -> None:
        group.slots = [None if held == -1 else held for held in group.slots]
        self._place()

    def _answer(self, work: _Work, reply: Reply) -> None:
        if not work.reply.done():
            work.reply.set_result(reply)

    def _wake(self) -> None:
        self._changed.set()
