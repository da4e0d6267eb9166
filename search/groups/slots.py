"""Which group and slot serves which trial: the bookkeeping of the dispatcher, without Ray."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection
from contextlib import suppress

from search.groups.held import MAX_DELIVERIES, PATIENCE_SECONDS, Gathering, Group, Work, holder
from search.groups.losses import SAME_CRASHES, Starts
from trainables.crash import Crash, repeated
from trainables.errors import TrainableError
from trainables.messages import BaselineRequest, Delivery, Reply, Request, TrainRequest

MAX_LOSSES = 10
"""Lost machines after which a group is given up, where it is not said."""

MOST_SHRINKS = 4
"""A request that is alone in a group which has begun smaller this often, and runs out again, does not fit."""

_WITHDRAWN = Reply("withdrawn", "it was withdrawn")

LINGER_SECONDS = 0.1
"""Trials are answered, and so ask again, one after another: an idle group that took up the first
request alone would begin one by one what it can do in one round."""


class NoGroupsError(Exception):
    """Nothing is left that could serve; says why."""


class CrashedError(NoGroupsError):
    """Whatever is served crashes in the same way."""


class SlotTable:
    """Leases slots to trials, hands requests to groups in rounds, and survives restarts of groups.

    A round is what a group's workers take up together; each worker asks for round 0, 1, 2 ... and all
    get the same. They may ask for the next one while deliveries of earlier ones are not answered: it
    brings trials that join those in training. What a group had not answered when its workers died goes
    to any group with room, as requests say all that is needed to serve them from the last rung's
    checkpoint.

    Args:
        linger: Seconds that an idle group with room for more waits for requests after the first.
        patience: Seconds that a group waits at most for the others before it measures.
    """

    def __init__(self, linger: float = LINGER_SECONDS, patience: float = PATIENCE_SECONDS) -> None:
        self._linger = linger
        self._gathering = Gathering(patience)
        self._first_slots = 0
        self._groups: dict[str, Group] = {}
        self._homeless: deque[Work] = deque()
        self._sequence = 0
        self._changed = asyncio.Event()
        self._stopping = False
        self._last_error = "no worker group was started"
        self._trained = False
        self._culprits: dict[tuple[str, str], set[int]] = {}
        self._hopeless: CrashedError | None = None
        self._draining: frozenset[str] = frozenset()
        self._unclaimed: dict[int, Work] = {}
        self._withdrawn: set[int] = set()

    def add_group(self, name: str, max_losses: int = MAX_LOSSES) -> None:
        """Announces a group that is being started; it has no slots before it joins.

        Args:
            name: The group.
            max_losses: Lost machines after which it is given up.
        """
        self._groups[name] = Group(name, [], Starts(max_losses))
        self._gathering.expect(name)

    def begin(self, name: str, token: str, nodes: Collection[str] = ()) -> int | None:
        """Called when a group's workers begin; returns the number of the start, which later calls bear.

        Args:
            name: The group.
            token: Each start has its own.
            nodes: Where the workers are.

        Returns:
            None where there is nothing to do: the group has been given up, or all stop.
        """
        group = self._groups[name]
        return None if group.ended or self._stopping else group.starts.begin(token, nodes)

    def at(self, name: str) -> str:
        """What a group is at, as its first worker has said; empty where it has not."""
        return self._groups[name].starts.doing

    def doing(self, name: str, what: str) -> None:
        """A group's first worker says what it is at, to follow "while"."""
        self._groups[name].starts.doing = what

    def waiting_for(self) -> str | None:
        """What the groups that are not up are at, in words; None where no worker has begun."""
        begun = [group for group in self._groups.values() if group.starts.number and not group.ended]
        at: dict[str, list[str]] = {}
        for group in begun:
            if not group.up:
                at.setdefault(group.starts.doing or "beginning", []).append(group.name)
        said = [
            f"{names[0]} is {doing}" if len(names) == 1 else f"{len(names)} groups are {doing}"
            for doing, names in at.items()
        ]
        return ", ".join(said) or None

    def crashed(self, name: str, start: int, crash: Crash) -> None:
        """A worker is about to die of an error that nobody expected.

        Args:
            name: Its group.
            start: As `begin` returned it.
            crash: What and where.
        """
        self._groups[name].starts.report(start, crash)

    async def wait_to_measure(self, name: str) -> None:
        """Called by a group's first worker when the group has loaded; returns when it may measure.

        That is when every group that was announced has loaded once or ended, or when patience is at an end.
        """
        await self._gathering.arrive(name)

    def join(self, name: str, start: int, slots: int) -> bool:
        """Called by a group's first worker when a start of the group has come up.

        Args:
            name: The group.
            start: As `begin` returned it.
            slots: Trials that it holds at once from now on.

        Returns:
            Whether that is news: no later start serves, and this one has neither joined before nor ended.
        """
        group = self._groups[name]
        if start <= group.serving or not group.starts.live(start):
            return False
        self._gathering.dismiss(name)
        self._first_slots = self._first_slots or slots
        self._take_back(group)
        group.starts.joined = True
        group.slots = [None] * slots
        group.serving = start
        group.up = not (group.ended or self._drains(group, start))
        group.rounds.clear()
        self._place()
        return True

    def capacity(self) -> int:
        """Trials that can train at once: the slots of the groups that are up, and of those yet to come.

        A group that has not joined so far counts as the first one that joined; one that restarts does not
        count, and may come back with another number. 0 where no group is up and none is to come.
        """
        groups = self._groups.values()
        coming = sum(not (group.serving or group.ended) for group in groups)
        return sum(len(group.slots) for group in groups if group.up) + coming * self._first_slots

    def short_of_memory(self, name: str, start: int) -> None:
        """The group's workers end for want of memory: they are to begin smaller, and no trial is to blame.

        Only where a request is alone and beginning smaller has not helped, it does not fit.

        Args:
            name: The group.
            start: As `begin` returned it. Each worker that ran out may say so; it counts once.
        """
        group = self._groups[name]
        if not group.starts.excuse(start):
            return
        group.shrinks += 1
        if group.shrinks > MOST_SHRINKS and len(group.outstanding) == 1:
            ((sequence, _),) = group.outstanding.items()
            message = "memory ran out, however little of it was in a pass"
            self.answer(name, group.serving, sequence, Reply("out_of_memory", message))
        group.forgive()

    def shrinks(self, name: str) -> int:
        """How often the group has run out of memory in a way that ended its workers."""
        return self._groups[name].shrinks

    def down(
        self, name: str, seen: Crash | None = None, preempted: bool = False, machine: bool = False
    ) -> TrainableError | None:
        """The group's workers died; until it joins again, its trials continue elsewhere if there is room.

        Args:
            name: The group.
            seen: The crash as Ray saw it; None: a machine was lost, or a worker has reported the crash.
            preempted: Whether the loss had been announced.
            machine: Whether a machine was lost, as far as Ray says.

        Returns:
            What ends the search, as no group can come up; None where that is not known.
        """
        group = self._groups[name]
        excused = group.starts.excused
        crash = group.starts.end(seen, preempted, serving=bool(group.outstanding))
        group.up = False
        if not excused and (preempted or (machine and crash is None)):
            group.forgive(machine=not preempted)
        self._take_back(group, crash)
        problem = None
        if crash is not None and group.starts.crashes(crash) >= SAME_CRASHES:
            problem = repeated(crash, SAME_CRASHES, f"The workers of {name}")
            self._end(group, str(problem))
        elif group.starts.losses > group.starts.most_losses:
            self._end(group, f"{name} was lost {group.starts.losses} times (workers.max_failures)")
        self._place()
        if any(each.starts.joined for each in self._groups.values()):
            return None
        return problem or self._none_can_come_up(crash)

    def _none_can_come_up(self, crash: Crash | None) -> TrainableError | None:
        """The same crash in every group, before any was up, is as good as twice in one."""
        groups = self._groups.values()
        if (
            crash is None
            or len(groups) < SAME_CRASHES
            or not all(group.starts.crashes(crash) for group in groups)
        ):
            return None
        return repeated(crash, len(groups), "The workers of all groups")

    def drain(self, nodes: Collection[str]) -> list[str]:
        """These nodes are about to be taken away: their groups get nothing new, and leave at the next step.

        Returns:
            The groups that leave and did not before.
        """
        self._draining = frozenset(nodes)
        leaving = [
            group for group in self._groups.values() if group.up and self._drains(group, group.serving)
        ]
        for group in leaving:
            group.up = False
            self._homeless.extendleft(work for _, work in reversed(group.queue))
            group.queue.clear()
        self._place()
        return [group.name for group in leaving]

    def _drains(self, group: Group, start: int) -> bool:
        return group.starts.on(start, self._draining)

    def leave(self, name: str, start: int) -> bool:
        """Called by every worker that is given no more rounds; its trials continue elsewhere.

        Args:
            name: Its group.
            start: As `begin` returned it.

        Returns:
            Whether the group is to start again, on other nodes; the same to each worker of a start.
        """
        group = self._groups[name]
        if start in group.left:
            return True
        if self._stopping or group.ended or not self._drains(group, start):
            return False
        if group.serving == start:
            group.forgive()
            self._take_back(group)
            self._place()
        group.left.add(start)
        return True

    async def submit(self, request: Request) -> Reply:
        """Has a request served by the trial's slot, or by the first that is free.

        One that is here already is not served twice: the actor that has sent it was lost, or its link was.

        Raises:
            NoGroupsError: No group is left that could serve it.
        """
        if holder(request) in self._withdrawn:  # before it came: its actor was still starting
            return _WITHDRAWN
        work = self._known(request) or self._accept(request)
        return await asyncio.shield(work.reply)

    def _known(self, request: Request) -> Work | None:
        """One that was submitted before, whose answer nobody has had; its trial has its slot again."""
        unclaimed = self._unclaimed.pop(holder(request), None)
        if unclaimed is not None and unclaimed.request == request:
            return unclaimed
        for group in self._groups.values():
            for slot, work in (*group.queue, *group.outstanding.values()):
                if work.request == request and not work.reply.done():
                    if group.slots[slot] is None:
                        group.slots[slot] = holder(request)
                    return work
        same = (work for work in self._homeless if work.request == request and not work.reply.done())
        return next(same, None)

    def _accept(self, request: Request) -> Work:
        work = Work(request, asyncio.get_running_loop().create_future())
        held = self._slot_of(request)
        if held is not None:
            group, slot = held
            group.enqueue(slot, work)
            self._wake()
        else:
            self._homeless.append(work)
            self._place()
        return work

    def release(self, trial: int) -> None:
        """Frees the slot of a trial. What it still waits for goes to nobody, and is not begun."""
        for group in self._groups.values():
            group.slots = [None if held == trial else held for held in group.slots]
        for work in self._take_waiting(trial):
            work.reply.cancel()
        self._place()

    def withdraw(self, trial: int) -> None:
        """Answers what a trial asks with "withdrawn"; its workers give up what they are training."""
        self._withdrawn.add(trial)
        works = self._take_waiting(trial)
        for group in self._groups.values():
            works += group.give_up(trial)
        for work in works:
            self._answer(work, _WITHDRAWN)
        self._wake()

    def _take_waiting(self, trial: int) -> list[Work]:
        """Takes out the requests of a trial that are not in training."""
        taken = [work for work in self._homeless if holder(work.request) == trial]
        self._homeless = deque(work for work in self._homeless if holder(work.request) != trial)
        return taken + [work for group in self._groups.values() for work in group.take_waiting(trial)]

    async def next_round(self, name: str, start: int, index: int) -> tuple[Delivery, ...] | None:
        """The `index`-th round of a start of the group; waits for work. None: stop serving.

        A round is never empty, and holds at most one request per slot, none of a slot with a delivery
        that is not answered. It is formed at once where trials are in training; an idle group with room
        for more lingers.
        """
        group = self._groups[name]
        now = asyncio.get_running_loop().time
        while True:
            if group.serving == start and index < len(group.rounds):
                return group.rounds[index]  # also while stopping: another worker may have taken it up
            if self._stopping or group.serving != start or not group.up:
                return None
            ready_at = group.ready_at(self._linger)
            if ready_at is not None and ready_at <= now():
                group.rounds.append(group.form_round(self._sequence))
                self._sequence += len(group.rounds[-1])
                continue
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(ready_at):
                    await self._changed.wait()

    def answer(self, name: str, start: int, sequence: int, reply: Reply) -> None:
        """Takes a group's reply; one from before a restart is ignored."""
        group = self._groups[name]
        if group.serving != start or sequence not in group.outstanding:
            return
        slot, work = group.outstanding.pop(sequence)
        if isinstance(work.request, BaselineRequest):
            group.slots[slot] = None
        elif (
            reply.outcome != "withdrawn" and group.slots[slot] != work.request.trial
        ):  # its actor was lost: whoever asks again has the answer
            self._unclaimed[work.request.trial] = work
        self._trained = self._trained or (isinstance(work.request, TrainRequest) and reply.outcome == "ok")
        self._answer(work, reply)
        self._place()

    def refuse(self, name: str, start: int, problem: str) -> bool:
        """A start of the group can never serve, as the request itself is wrong; whether that is news."""
        group = self._groups[name]
        news = group.starts.live(start) and not group.ended
        if news:
            self.end_group(name, problem)
        return news

    def end_group(self, name: str, error: str) -> None:
        """The group is gone for good: its trials continue elsewhere, or fail if no group is left."""
        group = self._groups[name]
        if not group.ended:  # one that was given up has its reason
            self._end(group, error)
        self._take_back(group)
        self._place()

    def _end(self, group: Group, error: str) -> None:
        group.ended, group.up = True, False
        self._gathering.dismiss(group.name)
        self._last_error = f"no worker group is left: {error}"

    def stop(self) -> list[str]:
        """Lets every worker leave its loop; returns the groups that have workers in theirs."""
        self._stopping = True
        self._wake()
        return [group.name for group in self._groups.values() if group.up]

    def _take_back(self, group: Group, crash: Crash | None = None) -> None:
        """Everything that a group has not answered waits for a slot again, or is given up.

        Args:
            group: Its workers have died.
            crash: Of what, where that was no loss of a machine.
        """
        lost = [work for _, (_, work) in sorted(group.outstanding.items())]
        waiting = [work for _, work in group.queue]
        group.clear()
        if crash is not None:
            for work in lost:
                self._blame(work, crash, alone=len(lost) == 1)
        for work in reversed(lost + waiting):
            if work.reply.done():
                continue
            if work.deliveries >= MAX_DELIVERIES:
                message = f"its workers died {work.deliveries} times on this rung"
                self._answer(work, Reply("worker_lost", message))
            elif work.machines >= group.most_machines:
                message = f"{work.machines} machines were lost under it on this rung (workers.max_failures)"
                self._answer(work, Reply("worker_lost", message))
            else:
                self._homeless.appendleft(work)

    def _blame(self, work: Work, crash: Crash, alone: bool) -> None:
        """Has a request that was under way in a crash be tried alone next, or gives it up.

        Where two trials crash in the same way, each alone, and none has been trained yet, it is not theirs.
        """
        work.crashes[crash.way] += 1
        work.deliveries = MAX_DELIVERIES - 1
        if not alone:
            return
        times = work.crashes[crash.way]
        if isinstance(work.request, BaselineRequest):
            if times >= SAME_CRASHES:
                self._answer(work, Reply("crashed", str(repeated(crash, times, "The workers"))))
            return
        culprits = self._culprits.setdefault(crash.way, set())
        culprits.add(work.request.trial)
        if len(culprits) >= SAME_CRASHES and not self._trained:
            both = " and ".join(str(trial) for trial in sorted(culprits))
            whose = f"The workers that trained trials {both}"
            self._hopeless = CrashedError(str(repeated(crash, SAME_CRASHES, whose)))
        elif times >= SAME_CRASHES:
            whose = f"The workers that trained trial {work.request.trial}"
            self._answer(work, Reply("crashed", repeated(crash, times, whose).message))

    def _slot_of(self, request: Request) -> tuple[Group, int] | None:
        if not isinstance(request, BaselineRequest):
            for group in self._groups.values():
                if group.up and request.trial in group.slots:
                    return group, group.slots.index(request.trial)
        return None

    def _place(self) -> None:
        """Gives free slots of groups that are up to waiting requests, oldest first."""
        if self._hopeless is not None:
            self._refuse_all(self._hopeless)
            return
        if self._groups and all(group.ended for group in self._groups.values()):
            self._refuse_all(NoGroupsError(self._last_error))
            return
        while self._homeless and (group := self._emptiest()) is not None:
            work, slot = self._homeless.popleft(), group.free[0]
            group.slots[slot] = holder(work.request)
            group.enqueue(slot, work)
        self._wake()

    def _refuse_all(self, why: NoGroupsError) -> None:
        """Fails every request that is there: nothing will serve it."""
        for group in self._groups.values():
            works = [work for _, work in (*group.outstanding.values(), *group.queue)]
            self._homeless.extend(works)
            group.queue.clear()
        while self._homeless:
            work = self._homeless.popleft()
            if not work.reply.done():
                work.reply.set_exception(type(why)(str(why)))

    def _emptiest(self) -> Group | None:
        """The group that is up and has a free slot with the fewest taken: none idles beside a full one."""
        room = [group for group in self._groups.values() if group.up and group.free]
        return min(room, key=lambda group: len(group.slots) - len(group.free), default=None)

    def _answer(self, work: Work, reply: Reply) -> None:
        if not work.reply.done():
            work.reply.set_result(reply)

    def _wake(self) -> None:
        self._changed.set()
