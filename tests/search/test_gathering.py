"""Groups begin to measure together, and none waits for one that does not come."""

from __future__ import annotations

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from search.groups.dispatcher import Dispatcher
from search.groups.slots import SlotTable
from tests.search.slot_scenes import join, run, settle
from trainables.messages import Reply

LONG = 60.0


def table_of(*names: str, patience: float = LONG) -> SlotTable:
    table = SlotTable(linger=0.0, patience=patience)
    for name in names:
        table.add_group(name)
    return table


def loaded(table: SlotTable, name: str) -> asyncio.Task[None]:
    return asyncio.create_task(table.wait_to_measure(name))


def test_groups_measure_once_all_have_loaded() -> None:
    async def scene() -> None:
        table = table_of("a", "b", "c")
        waiting = [loaded(table, "a"), loaded(table, "b")]
        await settle()
        assert not any(task.done() for task in waiting)
        await asyncio.gather(*waiting, loaded(table, "c"))

    run(scene())


def test_a_group_alone_does_not_wait() -> None:
    async def scene() -> None:
        await table_of("a").wait_to_measure("a")

    run(scene())


def test_a_group_that_ends_before_it_has_loaded_is_not_waited_for() -> None:
    async def scene() -> None:
        table = table_of("a", "b")
        waiting = loaded(table, "a")
        await settle()
        table.end_group("b", "it could not be started")
        await waiting

    run(scene())


def test_a_group_that_restarts_is_not_waited_for_and_waits_for_none_that_has_loaded() -> None:
    async def scene() -> None:
        table = table_of("a", "b", "c")
        died = loaded(table, "a")
        await settle()
        died.cancel()
        table.down("a")
        waiting = loaded(table, "b")
        await settle()
        assert not waiting.done()
        await table.wait_to_measure("c")
        await waiting
        for name in ("b", "c"):
            join(table, name, 2)
        await table.wait_to_measure("a")

    run(scene())


def test_a_group_that_joins_without_measuring_is_not_waited_for() -> None:
    async def scene() -> None:
        table = table_of("a", "b")
        waiting = loaded(table, "a")
        join(table, "b", 1)
        await waiting

    run(scene())


def test_a_group_that_comes_late_holds_the_others_up_no_longer_than_their_patience() -> None:
    async def scene() -> None:
        table = table_of("a", "b", patience=0.2)
        began = asyncio.get_running_loop().time()
        await table.wait_to_measure("a")
        assert 0.15 < asyncio.get_running_loop().time() - began < 5
        join(table, "a", 2)
        await asyncio.wait_for(table.wait_to_measure("b"), 0.1)

    run(scene())


def test_the_dispatcher_answers_others_while_groups_wait() -> None:
    async def scene() -> None:
        dispatcher = Dispatcher()
        for name in ("a", "b"):
            await dispatcher.add_group(name)
        waiting = asyncio.create_task(dispatcher.wait_to_measure("a"))
        await settle()
        assert not waiting.done()
        start = await dispatcher.begin("b", "token")
        assert start is not None
        await dispatcher.refuse("b", start, Reply("user", "no such file"))
        await waiting

    run(scene())


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 6), st.integers(0, 2**32))
def test_whatever_becomes_of_the_others_nobody_waits_forever(groups: int, seed: int) -> None:
    async def scene() -> None:
        names = [f"g{index}" for index in range(groups)]
        table = table_of(*names)
        chance = random.Random(seed)

        async def live(name: str) -> None:
            """Loads, waits and joins; may die at any of these and begin again, or end."""
            while True:
                for _ in range(chance.randint(0, 3)):
                    await asyncio.sleep(0)
                match chance.choice(["join", "die loading", "die waiting", "end", "fail"]):
                    case "join":
                        await table.wait_to_measure(name)
                        join(table, name, 1)
                        return
                    case "die loading":
                        table.down(name)
                    case "die waiting":
                        waiting = loaded(table, name)
                        await asyncio.sleep(0)
                        waiting.cancel()
                        table.down(name)
                    case "end":
                        table.end_group(name, "gone")
                        return
                    case "fail":
                        await table.wait_to_measure(name)
                        table.end_group(name, "its workers died too often")
                        return

        await asyncio.wait_for(asyncio.gather(*(live(name) for name in names)), 5)

    run(scene())
