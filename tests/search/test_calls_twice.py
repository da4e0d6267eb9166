"""Calls of workers that come twice, or late, or from workers that have died, change nothing."""

from __future__ import annotations

import asyncio
import inspect
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from search.groups.dispatcher import Dispatcher
from search.groups.slots import NoGroupsError, SlotTable
from tests.search.slot_scenes import request, run, settle
from trainables.crash import Crash
from trainables.messages import Delivery, GroupFacts, Reply

GROUPS = ("a", "b")
TRIALS = range(4)
CRASHES = [Crash("ValueError", f"ValueError: {text}", "data.py:7", "loading", "") for text in ("x", "y")]

groups = st.sampled_from(GROUPS)
copies = st.sampled_from(["once", "twice", "late"])


@dataclass
class Workers:
    """What the workers of a group know."""

    start: int = 0
    joined: bool = False
    index: int = 0
    serving: list[Delivery] = field(default_factory=list)
    dismissed: bool = False
    ended: bool = False


class TwoTables(RuleBasedStateMachine):
    """The same happens to two tables; one of them gets calls of workers more than once, and later ones."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.plain, self.disturbed = SlotTable(linger=0.0), SlotTable(linger=0.0)
        self.tables = (self.plain, self.disturbed)
        self.workers = {name: Workers() for name in GROUPS}
        self.asked: dict[int, tuple[asyncio.Task[Reply], ...]] = {}
        self.rungs = dict.fromkeys(TRIALS, 0)
        self.late: list[tuple[str, tuple[object, ...], object]] = []
        for table in self.tables:
            for name in GROUPS:
                table.add_group(name, max_losses=4)

    def settle(self) -> None:
        self.loop.run_until_complete(settle())

    def each(self, does: Callable[[SlotTable], Any]) -> Any:
        """Does the same to both, with the same result."""

        async def results() -> list[Any]:
            return [does(table) for table in self.tables]

        result, same = self.loop.run_until_complete(results())
        assert result == same
        self.settle()
        return result

    def call(self, copy: str, method: str, *given: object) -> Any:
        """A worker's call, of which another copy may arrive at one of the tables."""
        result = self.each(lambda table: getattr(table, method)(*given))
        self.send_again(copy, result, method, *given)
        return result

    def send_again(self, copy: str, result: object, method: str, *given: object) -> None:
        if copy != "once":
            self.late.append((method, given, result))
        if copy == "twice":
            self.a_late_call_arrives(-1)

    @rule(name=groups, chances=st.lists(st.integers(0, 2**16), min_size=1, max_size=6), copy=copies)
    def go_on(self, name: str, chances: list[int], copy: str) -> None:
        for chance in chances:
            self.act(name, chance, copy)

    def act(self, name: str, chance: int, copy: str) -> None:
        """The workers of a group do what is next, or die."""
        here = self.workers[name]
        dies = chance % (11 if here.joined else 3) == 0
        if here.ended:
            return
        if not here.start:
            self.begin(name, f"n{chance % 3}", copy)
        elif dies:
            does = (self.crash, self.run_out_of_memory, self.leave_it_half_said, self.refuse)
            does[chance // 33 % 4](name, copy)
        elif not here.joined:
            self.call(copy, "join", name, here.start, 1 + chance % 2)
            here.joined = True
        elif here.dismissed:
            self.leave(name, copy)
        elif here.serving and chance % 2:
            self.call(copy, "answer", name, here.start, here.serving.pop(0).sequence, Reply("ok"))
        else:
            self.take_a_round(name, copy)

    def begin(self, name: str, node: str, copy: str) -> None:
        here = self.workers[name]
        here.start = self.call(copy, "begin", name, uuid.uuid4().hex, [node]) or 0
        here.ended = not here.start

    def refuse(self, name: str, copy: str) -> None:
        here = self.workers[name]
        if not here.joined:
            self.call(copy, "refuse", name, here.start, "no such file")
            self.end(name)

    @rule(trials=st.sets(st.sampled_from(TRIALS), min_size=1))
    def submit(self, trials: set[int]) -> None:
        for trial in trials - self.asked.keys():
            asked = request(trial, self.rungs[trial])
            self.asked[trial] = tuple(self.loop.create_task(table.submit(asked)) for table in self.tables)
            self.settle()

    @rule(trial=st.sampled_from(TRIALS))
    def release(self, trial: int) -> None:
        if trial not in self.asked:
            self.each(lambda table: table.release(trial))

    def take_a_round(self, name: str, copy: str) -> None:
        here = self.workers[name]
        index = here.index

        async def ask() -> list[Any]:
            asked = [asyncio.create_task(each.next_round(name, here.start, index)) for each in self.tables]
            await settle()
            for task in asked:
                task.cancel()
            return [task.result() if task.done() and not task.cancelled() else () for task in asked]

        round_, same = self.loop.run_until_complete(ask())
        assert round_ == same
        if round_ == ():
            return
        self.send_again(copy, round_, "next_round", name, here.start, index)
        here.dismissed = round_ is None
        here.serving += round_ or ()
        here.index += 1

    def leave(self, name: str, copy: str) -> None:
        if self.call(copy, "leave", name, self.workers[name].start):
            self.each(lambda table: str(table.down(name, preempted=True)))
            self.workers[name] = Workers()
        else:
            self.end(name)

    def end(self, name: str) -> None:
        self.each(lambda table: table.end_group(name, "ended"))
        self.workers[name] = Workers(ended=True)

    def crash(self, name: str, copy: str) -> None:
        here = self.workers[name]
        self.call(copy, "crashed", name, here.start, CRASHES[len(here.serving) % 2])
        self.die(name)

    def run_out_of_memory(self, name: str, copy: str) -> None:
        self.call(copy, "short_of_memory", name, self.workers[name].start)
        self.die(name)

    def leave_it_half_said(self, name: str, copy: str) -> None:
        """The workers die, and what they were about to say arrives after that."""
        here = self.workers[name]
        self.die(name, preempted=copy == "late")
        calls: list[tuple[str, tuple[object, ...]]] = [("crashed", (CRASHES[0],)), ("short_of_memory", ())]
        if here.joined:
            calls += [("leave", ())]
        else:
            calls += [("join", (2,)), ("refuse", ("no such file",))]
        for delivery in here.serving:
            calls += [("answer", (delivery.sequence, Reply("ok", message="of the dead")))]
        self.late += [(method, (name, here.start, *given), None) for method, given in calls]

    def die(self, name: str, preempted: bool = False) -> None:
        self.each(lambda table: str(table.down(name, preempted=preempted)))
        self.workers[name] = Workers()

    @rule(nodes=st.sampled_from([(), (), ("n0",)]))
    def drain(self, nodes: tuple[str, ...]) -> None:
        self.each(lambda table: table.drain(nodes))

    @precondition(lambda self: self.late)
    @rule(which=st.integers(0, 9))
    def a_late_call_arrives(self, which: int) -> None:
        method, given, before = self.late.pop(which % len(self.late))

        async def arrive() -> object:
            result = getattr(self.disturbed, method)(*given)
            return await asyncio.wait_for(result, 5) if inspect.isawaitable(result) else result

        result = self.loop.run_until_complete(arrive())
        assert method != "leave" or not before or result, "a group that leaves is to start again"
        self.settle()

    @invariant()
    def both_are_the_same(self) -> None:
        self.each(lambda table: (table.capacity(), table.waiting_for()))
        for name in GROUPS:
            groups = [table._groups[name] for table in self.tables]
            of, same = ((each.up, each.ended, each.shrinks, each.starts.losses) for each in groups)
            assert of == same
        for trial, tasks in list(self.asked.items()):
            replies = [self.reply(task) for task in tasks]
            assert replies[0] == replies[1]
            if replies[0] is not None:
                del self.asked[trial]
                self.rungs[trial] += 1

    def reply(self, task: asyncio.Task[Reply]) -> object:
        if not task.done():
            return None
        error = task.exception()
        assert error is None or isinstance(error, NoGroupsError)
        return task.result() if error is None else str(error)

    def teardown(self) -> None:
        while self.late:
            self.a_late_call_arrives(0)
            self.both_are_the_same()
        for tasks in self.asked.values():
            for task in tasks:
                task.cancel()
        self.settle()
        self.loop.close()


TestTwoTables = TwoTables.TestCase
TestTwoTables.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


def test_the_driver_hears_of_a_start_and_of_a_crash_once() -> None:
    async def scene() -> None:
        dispatcher = Dispatcher()
        facts = GroupFacts("cpu", "model", "data", 1.0, slots=3, packing="")
        await dispatcher.add_group("g")
        starts = [await dispatcher.begin("g", "token") for _ in range(2)]
        assert starts == [1, 1]
        for _ in range(2):
            await dispatcher.crashed("g", 1, CRASHES[0])
        assert len(await dispatcher.said(0)) == 1
        await dispatcher.down("g")
        await dispatcher.begin("g", "another")
        for start in (2, 2, 1):
            await dispatcher.join("g", start, facts)
        assert await dispatcher.first_facts() == facts
        heard = asyncio.create_task(dispatcher.first_facts())
        await settle()
        assert not heard.done()
        heard.cancel()

    run(scene())
