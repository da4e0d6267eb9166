"""What scenes with a table of slots are made of, for tests."""

from __future__ import annotations

import asyncio
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


async def round_of(table: SlotTable, group: str, incarnation: int, index: int) -> tuple[Delivery, ...]:
    round_ = await table.next_round(group, incarnation, index)
    assert round_ is not None
    return round_


async def first_of_two() -> tuple[SlotTable, asyncio.Task[Reply], int]:
    """Two groups, "a" serving trial 0 and "b" with a free slot; the incarnation is that of "b"."""
    table = SlotTable()
    table.add_group("a")
    table.add_group("b")
    on_a = table.join("a", 1)
    task = asyncio.create_task(table.submit(request(0)))
    await settle()
    await round_of(table, "a", on_a, 0)
    return table, task, table.join("b", 1)


def up(linger: float, slots: int) -> tuple[SlotTable, int]:
    table = SlotTable(linger)
    table.add_group("g")
    return table, table.join("g", slots)
