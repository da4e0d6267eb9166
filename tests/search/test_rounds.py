"""When a round goes out: at once where it can join what is in training, else when others have asked."""

from __future__ import annotations

import asyncio

from search.groups.slots import SlotTable
from tests.search.slot_scenes import request, round_of, run, settle, up
from trainables.messages import BaselineRequest, Delivery, Reply

LONG = 5.0
AT_ONCE = 2.0


async def timed(table: SlotTable, start: int, index: int) -> tuple[tuple[Delivery, ...], float]:
    """A round, and how long it took to come."""
    began = asyncio.get_running_loop().time()
    round_ = await round_of(table, "g", start, index)
    return round_, asyncio.get_running_loop().time() - began


def test_requests_that_come_one_after_another_make_one_round_as_soon_as_the_group_is_full() -> None:
    async def scene() -> None:
        table, start = up(LONG, 3)
        asked = asyncio.create_task(timed(table, start, 0))
        tasks = []
        for trial in range(3):
            tasks.append(asyncio.create_task(table.submit(request(trial))))
            await asyncio.sleep(0.01)
            assert asked.done() == (trial == 2)
        round_, seconds = await asked
        assert len(round_) == 3
        assert seconds < AT_ONCE
        for delivery in round_:
            table.answer("g", start, delivery.sequence, Reply("ok"))
        await asyncio.gather(*tasks)

    run(scene())


def test_an_idle_group_with_room_waits_a_little_and_then_goes_with_what_there_is() -> None:
    async def scene() -> None:
        table, start = up(0.2, 3)
        tasks = [asyncio.create_task(table.submit(request(0)))]
        asked = asyncio.create_task(timed(table, start, 0))
        await asyncio.sleep(0.02)
        tasks.append(asyncio.create_task(table.submit(request(1))))
        round_, seconds = await asked
        assert len(round_) == 2
        assert 0.15 < seconds < AT_ONCE
        for delivery in round_:
            table.answer("g", start, delivery.sequence, Reply("ok"))
        await asyncio.gather(*tasks)

    run(scene())


def test_a_request_that_comes_while_others_train_goes_out_at_once() -> None:
    async def scene() -> None:
        table, start = up(LONG, 2)
        tasks = [asyncio.create_task(table.submit(request(trial))) for trial in range(2)]
        await settle()
        first, _ = await timed(table, start, 0)
        table.answer("g", start, first[0].sequence, Reply("ok"))
        await tasks[0]
        following = asyncio.create_task(table.submit(request(0, rung=1)))
        round_, seconds = await timed(table, start, 1)
        assert [delivery.request for delivery in round_] == [request(0, rung=1)]
        assert seconds < AT_ONCE
        for delivery in (first[1], *round_):
            table.answer("g", start, delivery.sequence, Reply("ok"))
        await asyncio.gather(tasks[1], following)

    run(scene())


def test_the_base_model_is_measured_at_once() -> None:
    async def scene() -> None:
        table, start = up(LONG, 4)
        base = asyncio.create_task(table.submit(BaselineRequest()))
        round_, seconds = await timed(table, start, 0)
        assert seconds < AT_ONCE
        table.answer("g", start, round_[0].sequence, Reply("ok"))
        await base

    run(scene())


def test_a_slot_whose_trial_has_left_takes_no_other_before_its_answer() -> None:
    async def scene() -> None:
        table, start = up(0.0, 1)
        left = asyncio.create_task(table.submit(request(0)))
        (first,) = await round_of(table, "g", start, 0)
        table.release(0)
        waiting = asyncio.create_task(table.submit(request(1)))
        asked = asyncio.create_task(table.next_round("g", start, 1))
        await asyncio.sleep(0.02)
        assert not asked.done()
        table.answer("g", start, first.sequence, Reply("ok"))
        (second,) = await asked or ()
        assert (second.slot, second.request) == (first.slot, request(1))
        table.answer("g", start, second.sequence, Reply("ok"))
        await asyncio.gather(left, waiting)

    run(scene())


def test_a_trial_is_not_kept_waiting_for_a_busy_slot_while_another_is_free() -> None:
    async def scene() -> None:
        table, start = up(0.0, 2)
        left = asyncio.create_task(table.submit(request(0)))
        (first,) = await round_of(table, "g", start, 0)
        table.release(0)
        waiting = asyncio.create_task(table.submit(request(1)))
        (second,) = await round_of(table, "g", start, 1)
        assert second.slot != first.slot
        for delivery in (first, second):
            table.answer("g", start, delivery.sequence, Reply("ok"))
        await asyncio.gather(left, waiting)

    run(scene())


def test_a_second_request_of_a_trial_waits_for_the_answer_to_the_first() -> None:
    async def scene() -> None:
        table, start = up(0.0, 2)
        tasks = [asyncio.create_task(table.submit(request(0, rung))) for rung in range(2)]
        (first,) = await round_of(table, "g", start, 0)
        tasks.append(asyncio.create_task(table.submit(request(1))))
        (other,) = await round_of(table, "g", start, 1)
        assert other.request == request(1), "which does not take the first trial's second one along"
        asked = asyncio.create_task(table.next_round("g", start, 2))
        await asyncio.sleep(0.02)
        assert not asked.done()
        table.answer("g", start, first.sequence, Reply("ok"))
        (second,) = await asked or ()
        assert second.request == request(0, rung=1)
        for delivery in (other, second):
            table.answer("g", start, delivery.sequence, Reply("ok"))
        await asyncio.gather(*tasks)

    run(scene())
