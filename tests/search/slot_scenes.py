"""What scenes with a table of slots are made of, for tests."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine
from typing import Any

from search.groups.slots import SlotTable
from trainables.messages import Delivery, Reply, TrainRequest


def request(trial: int, rung: int = 0) -> TrainRequest:
    return TrainRequest(trial, {}, rung, rung + 1, None, f"trials/{trial}/{rung}")


def run(coroutine: Coroutine[Any, Any, Any]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 10))


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def begin(table: SlotTable, group: str, *nodes: str) -> int:
    """Has a start of a group begin on nodes; returns its number."""
    start = table.begin(group, uuid.uuid4().hex, nodes)
    assert start is not None
    return start


def join(table: SlotTable, group: str, slots: int, *nodes: str) -> int:
    """Has a start of a group begin and come up; returns its number."""
    start = begin(table, group, *nodes)
    assert table.join(group, start, slots)
    return start


async def round_of(table: SlotTable, group: str, start: int, index: int) -> tuple[Delivery, ...]:
    round_ = await table.next_round(group, start, index)
    assert round_ is not None
    return round_


async def first_of_two() -> tuple[SlotTable, asyncio.Task[Reply], int]:
    """Two groups, "a" serving trial 0 and "b" with a free slot; the number is that of the start of "b"."""
    table = SlotTable()
    table.add_group("a")
    table.add_group("b")
    on_a = join(table, "a", 1)
    task = asyncio.create_task(table.submit(request(0)))
    await settle()
    await round_of(table, "a", on_a, 0)
    return table, task, join(table, "b", 1)


def up(linger: float, slots: int) -> tuple[SlotTable, int]:
    table = SlotTable(linger)
    table.add_group("g")
    return table, join(table, "g", slots)
