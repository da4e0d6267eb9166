"""Leases and rounds: nothing is served twice, nothing is lost when a group restarts or ends."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.groups.slots import MAX_DELIVERIES, NoGroupsError, SlotTable
from trainables.messages import BaselineRequest, Delivery, Reply, TrainRequest


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


def test_trials_wait_for_a_slot_and_keep_it_until_released() -> None:
    async def scene() -> None:
        table = SlotTable()
        table.add_group("g", 1)
        first = asyncio.create_task(table.submit(request(0)))
        second = asyncio.create_task(table.submit(request(1)))
        await settle()
        incarnation = table.join("g")
        (delivery,) = await round_of(table, "g", incarnation, 0)
        assert delivery.request == request(0)
        table.answer("g", incarnation, delivery.sequence, Reply("ok"))
        assert (await first).outcome == "ok"
        third = asyncio.create_task(table.submit(request(0, rung=1)))
        await settle()
        (delivery,) = await round_of(table, "g", incarnation, 1)
        assert delivery.request == request(0, rung=1), "the slot is trial 0's until released"
        table.answer("g", incarnation, delivery.sequence, Reply("ok"))
        await third
        assert not second.done()
        table.release(0)
        (delivery,) = await round_of(table, "g", incarnation, 2)
        assert delivery.request == request(1)
        table.answer("g", incarnation, delivery.sequence, Reply("ok"))
        assert (await second).outcome == "ok"

    run(scene())


def test_every_worker_of_a_group_gets_the_same_rounds() -> None:
    async def scene() -> None:
        table = SlotTable()
        table.add_group("g", 3)
        incarnation = table.join("g")
        tasks = [asyncio.create_task(table.submit(request(trial))) for trial in range(3)]
        await settle()
        a = await round_of(table, "g", incarnation, 0)
        b = await round_of(table, "g", incarnation, 0)
        assert a == b
        assert len(a) == 3, "one request per slot makes one round"
        for delivery in a:
            table.answer("g", incarnation, delivery.sequence, Reply("ok"))
        await asyncio.gather(*tasks)

    run(scene())


def test_a_restarted_group_gets_its_unanswered_work_again_and_old_answers_are_ignored() -> None:
    async def scene() -> None:
        table = SlotTable()
        table.add_group("g", 1)
        task = asyncio.create_task(table.submit(request(0)))
        await settle()
        old = table.join("g")
        (lost,) = await round_of(table, "g", old, 0)
        new = table.join("g")
        assert await table.next_round("g", old, 1) is None, "workers of before leave their loop"
        table.answer("g", old, lost.sequence, Reply("ok", message="stale"))
        (again,) = await round_of(table, "g", new, 0)
        assert again.request == lost.request
        table.answer("g", new, again.sequence, Reply("ok", message="fresh"))
        assert (await task).message == "fresh"

    run(scene())


def test_work_that_kills_its_workers_every_time_is_given_up() -> None:
    async def scene() -> None:
        table = SlotTable()
        table.add_group("g", 1)
        task = asyncio.create_task(table.submit(request(0)))
        await settle()
        for _ in range(MAX_DELIVERIES):
            await round_of(table, "g", table.join("g"), 0)
        table.join("g")
        assert (await task).outcome == "worker_lost"

    run(scene())


def test_an_ended_groups_trials_go_elsewhere_and_fail_where_no_group_is_left() -> None:
    async def scene() -> None:
        table = SlotTable()
        table.add_group("a", 1)
        table.add_group("b", 1)
        on_a = table.join("a")
        task = asyncio.create_task(table.submit(request(0)))
        await settle()
        await round_of(table, "a", on_a, 0)
        on_b = table.join("b")
        table.end_group("a", "node gone")
        (delivery,) = await round_of(table, "b", on_b, 0)
        assert delivery.request == request(0)
        table.end_group("b", "node gone too")
        with pytest.raises(NoGroupsError, match="node gone too"):
            await task
        with pytest.raises(NoGroupsError):
            await table.submit(request(1))

    run(scene())


def test_a_baseline_frees_its_slot_when_answered() -> None:
    async def scene() -> None:
        table = SlotTable()
        table.add_group("g", 1)
        incarnation = table.join("g")
        base = asyncio.create_task(table.submit(BaselineRequest()))
        await settle()
        trial = asyncio.create_task(table.submit(request(0)))
        (delivery,) = await round_of(table, "g", incarnation, 0)
        table.answer("g", incarnation, delivery.sequence, Reply("ok"))
        await base
        (delivery,) = await round_of(table, "g", incarnation, 1)
        assert delivery.request == request(0)
        table.answer("g", incarnation, delivery.sequence, Reply("ok"))
        await trial

    run(scene())


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 12), st.sets(st.integers(0, 30), max_size=4))
def test_every_request_is_answered_once_whatever_restarts(
    groups: int, slots: int, trials: int, restarts: set[int]
) -> None:
    async def scene() -> None:
        table = SlotTable()
        served: list[int] = []
        clock = iter(range(10_000))

        async def worker(name: str) -> None:
            incarnation, index = table.join(name), 0
            while (round_ := await table.next_round(name, incarnation, index)) is not None:
                await asyncio.sleep(0)
                if next(clock) in restarts:
                    incarnation, index = table.join(name), 0
                    continue
                for delivery in round_:
                    assert isinstance(delivery.request, TrainRequest)
                    served.append(delivery.request.trial)
                    table.answer(name, incarnation, delivery.sequence, Reply("ok"))
                index += 1

        async def trial(number: int) -> None:
            reply = await table.submit(request(number))
            assert reply.outcome in ("ok", "worker_lost")
            table.release(number)

        names = [f"g{index}" for index in range(groups)]
        for name in names:
            table.add_group(name, slots)
        workers = [asyncio.create_task(worker(name)) for name in names]
        await asyncio.gather(*(trial(number) for number in range(trials)))
        table.stop()
        await asyncio.gather(*workers)
        assert len(served) == len(set(served)), "an answered request is never served again"

    run(scene())


def test_a_group_that_is_down_gives_its_trials_to_one_that_is_up() -> None:
    async def scene() -> None:
        table = SlotTable()
        table.add_group("a", 1)
        table.add_group("b", 1)
        on_a = table.join("a")
        task = asyncio.create_task(table.submit(request(0)))
        await settle()
        await round_of(table, "a", on_a, 0)
        on_b = table.join("b")
        table.down("a")
        (delivery,) = await round_of(table, "b", on_b, 0)
        assert delivery.request == request(0)
        table.answer("b", on_b, delivery.sequence, Reply("ok"))
        assert (await task).outcome == "ok"

    run(scene())


def test_a_request_that_ends_one_group_after_another_is_given_up_before_the_last() -> None:
    async def scene() -> None:
        table = SlotTable()
        names = [f"g{index}" for index in range(MAX_DELIVERIES + 1)]
        for name in names:
            table.add_group(name, 1)
        task = asyncio.create_task(table.submit(request(0)))
        await settle()
        for name in names[:MAX_DELIVERIES]:
            await round_of(table, name, table.join(name), 0)
            table.end_group(name, "its workers died")
        assert (await task).outcome == "worker_lost"

    run(scene())
