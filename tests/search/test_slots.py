"""Leases and rounds: nothing is served twice, nothing is lost when a group restarts or ends."""

from __future__ import annotations

import asyncio
import random
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.groups.dispatcher import Dispatcher
from search.groups.held import MAX_DELIVERIES
from search.groups.slots import MOST_SHRINKS, NoGroupsError, SlotTable
from tests.search.slot_scenes import first_of_two, join, request, round_of, run, settle, up
from trainables.messages import BaselineRequest, Delivery, GiveUp, GroupFacts, Reply, TrainRequest


def test_trials_wait_for_a_slot_and_keep_it_until_released() -> None:
    async def scene() -> None:
        table = SlotTable()
        table.add_group("g")
        first = asyncio.create_task(table.submit(request(0)))
        second = asyncio.create_task(table.submit(request(1)))
        await settle()
        start = join(table, "g", 1)
        (delivery,) = await round_of(table, "g", start, 0)
        assert delivery.request == request(0)
        table.answer("g", start, delivery.sequence, Reply("ok"))
        assert (await first).outcome == "ok"
        third = asyncio.create_task(table.submit(request(0, rung=1)))
        await settle()
        (delivery,) = await round_of(table, "g", start, 1)
        assert delivery.request == request(0, rung=1), "the slot is trial 0's until released"
        table.answer("g", start, delivery.sequence, Reply("ok"))
        await third
        assert not second.done()
        table.release(0)
        (delivery,) = await round_of(table, "g", start, 2)
        assert delivery.request == request(1)
        table.answer("g", start, delivery.sequence, Reply("ok"))
        assert (await second).outcome == "ok"

    run(scene())


def test_what_is_withdrawn_is_answered_at_once_and_frees_its_slot_once_the_workers_have_given_it_up() -> None:
    async def scene() -> None:
        table = SlotTable()
        table.add_group("g")
        start = join(table, "g", 1)
        trained = asyncio.create_task(table.submit(request(0)))
        await settle()
        (delivery,) = await round_of(table, "g", start, 0)
        waiting = [asyncio.create_task(table.submit(request(trial))) for trial in (1, 2)]
        await settle()
        table.withdraw(0)
        table.withdraw(1)
        assert (await trained).outcome == (await waiting[0]).outcome == "withdrawn"
        table.release(0)
        table.release(1)
        give_up = Delivery(delivery.sequence, delivery.slot, GiveUp(0))
        for _ in range(2):  # to every worker
            assert await round_of(table, "g", start, 1) == (give_up,)
        table.answer("g", start, delivery.sequence, Reply("withdrawn"))
        (delivery,) = await round_of(table, "g", start, 2)
        assert delivery.request == request(2)
        table.withdraw(3)
        assert (await table.submit(request(3))).outcome == "withdrawn", "it came later than that"
        table.withdraw(2)
        table.answer("g", start, delivery.sequence, Reply("ok"))  # it had come to its rung at that time
        assert (await waiting[1]).outcome == "withdrawn"

    run(scene())


def test_every_worker_of_a_group_gets_the_same_rounds() -> None:
    async def scene() -> None:
        table = SlotTable()
        table.add_group("g")
        start = join(table, "g", 3)
        tasks = [asyncio.create_task(table.submit(request(trial))) for trial in range(3)]
        await settle()
        a = await round_of(table, "g", start, 0)
        b = await round_of(table, "g", start, 0)
        assert a == b
        assert len(a) == 3, "one request per slot makes one round"
        for delivery in a:
            table.answer("g", start, delivery.sequence, Reply("ok"))
        await asyncio.gather(*tasks)

    run(scene())


def test_a_restarted_group_gets_its_unanswered_work_again_and_old_answers_are_ignored() -> None:
    async def scene() -> None:
        table = SlotTable()
        table.add_group("g")
        task = asyncio.create_task(table.submit(request(0)))
        await settle()
        old = join(table, "g", 1)
        (lost,) = await round_of(table, "g", old, 0)
        new = join(table, "g", 1)
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
        table.add_group("g")
        task = asyncio.create_task(table.submit(request(0)))
        await settle()
        for _ in range(MAX_DELIVERIES):
            await round_of(table, "g", join(table, "g", 1), 0)
        join(table, "g", 1)
        assert (await task).outcome == "worker_lost"

    run(scene())


def test_an_ended_groups_trials_go_elsewhere_and_fail_where_no_group_is_left() -> None:
    async def scene() -> None:
        table, task, on_b = await first_of_two()
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
        table.add_group("g")
        start = join(table, "g", 1)
        base = asyncio.create_task(table.submit(BaselineRequest()))
        await settle()
        trial = asyncio.create_task(table.submit(request(0)))
        (delivery,) = await round_of(table, "g", start, 0)
        table.answer("g", start, delivery.sequence, Reply("ok"))
        await base
        (delivery,) = await round_of(table, "g", start, 1)
        assert delivery.request == request(0)
        table.answer("g", start, delivery.sequence, Reply("ok"))
        await trial

    run(scene())


def test_baselines_are_measured_on_different_groups() -> None:
    async def scene() -> None:
        table = SlotTable()
        groups = ("a", "b")
        for group in groups:
            table.add_group(group)
        on = {group: join(table, group, 2) for group in groups}
        tasks = [asyncio.create_task(table.submit(BaselineRequest(name))) for name in ("clean", "single")]
        await settle()
        rounds = [await round_of(table, group, on[group], 0) for group in groups]
        assert [len(each) for each in rounds] == [1, 1]
        for group, (delivery,) in zip(groups, rounds, strict=True):
            table.answer(group, on[group], delivery.sequence, Reply("ok"))
        await asyncio.gather(*tasks)

    run(scene())


class Worker:
    """A group's worker that asks for the next round while trials of earlier ones are in training."""

    def __init__(self, table: SlotTable, name: str, slots: int, chance: random.Random) -> None:
        self._table, self._name, self._slots, self._chance = table, name, slots, chance
        self.answered: list[tuple[int, int]] = []

    async def run(self, restarts: int) -> None:
        while await self._start(restarts > 0):
            restarts -= 1

    async def _start(self, may_die: bool) -> bool:
        """Serves until it is asked to stop, or dies with what it has not answered; whether it died."""
        start, index = self._table.begin(self._name, uuid.uuid4().hex), 0
        if start is None:
            return False
        self._table.join(self._name, start, self._chance.randint(1, self._slots))
        training: dict[int, Delivery] = {}
        asked = self._ask(start, index)
        while True:
            if not training:
                await asyncio.wait([asked])
            await asyncio.sleep(0)
            if asked.done():
                if (round_ := asked.result()) is None:
                    return False
                self._check(round_, training)
                training |= {delivery.slot: delivery for delivery in round_}
                index += 1
                asked = self._ask(start, index)
            if may_die and self._chance.random() < 0.1:
                asked.cancel()
                return True
            if training and self._chance.random() < 0.5:
                delivery = training.pop(self._chance.choice(list(training)))
                assert isinstance(delivery.request, TrainRequest)
                self.answered.append((delivery.request.trial, delivery.request.from_step))
                self._table.answer(self._name, start, delivery.sequence, Reply("ok"))

    def _ask(self, start: int, index: int) -> asyncio.Task[tuple[Delivery, ...] | None]:
        return asyncio.create_task(self._table.next_round(self._name, start, index))

    def _check(self, round_: tuple[Delivery, ...], training: dict[int, Delivery]) -> None:
        slots = [delivery.slot for delivery in round_]
        assert slots, "a round is never empty"
        assert len(slots) == len(set(slots)), "one request per slot"
        assert not set(slots) & set(training), "a slot gets nothing before its last answer"


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 12), st.integers(0, 3), st.integers(0, 2**32))
def test_every_request_is_answered_once_whatever_restarts(
    groups: int, slots: int, trials: int, restarts: int, seed: int
) -> None:
    async def scene() -> None:
        table = SlotTable(linger=0.001)

        async def trial(number: int) -> None:
            for rung in range(3):
                reply = await table.submit(request(number, rung))
                if reply.outcome == "worker_lost":
                    break
            table.release(number)

        names = [f"g{index}" for index in range(groups)]
        for name in names:
            table.add_group(name)
        workers = [Worker(table, name, slots, random.Random(f"{seed} {name}")) for name in names]
        running = [asyncio.create_task(worker.run(restarts)) for worker in workers]
        await asyncio.gather(*(trial(number) for number in range(trials)))
        table.stop()
        await asyncio.gather(*running)
        answered = [each for worker in workers for each in worker.answered]
        assert len(answered) == len(set(answered)), "an answered request is never served again"
        assert {number for number, _ in answered} <= set(range(trials))
        if not restarts:
            assert len(answered) == 3 * trials

    run(scene())


def test_trials_are_spread_over_the_groups() -> None:
    async def scene() -> None:
        table = SlotTable(linger=0.0)
        on = {}
        for name in ("a", "b"):
            table.add_group(name)
            on[name] = join(table, name, 4)
        tasks = [asyncio.create_task(table.submit(request(trial))) for trial in range(4)]
        await settle()
        for name in ("a", "b"):
            round_ = await round_of(table, name, on[name], 0)
            assert len(round_) == 2
            for delivery in round_:
                table.answer(name, on[name], delivery.sequence, Reply("ok"))
        await asyncio.gather(*tasks)

    run(scene())


def test_a_group_may_come_back_with_fewer_slots() -> None:
    async def scene() -> None:
        table, start = up(0.0, 3)
        tasks = [asyncio.create_task(table.submit(request(trial))) for trial in range(3)]
        await settle()
        assert len(await round_of(table, "g", start, 0)) == 3
        start = join(table, "g", 2)
        round_ = await round_of(table, "g", start, 0)
        assert [delivery.request for delivery in round_] == [request(0), request(1)]
        table.answer("g", start, round_[0].sequence, Reply("ok"))
        table.release(0)
        (last,) = await round_of(table, "g", start, 1)
        assert last.request == request(2)
        for delivery in (round_[1], last):
            table.answer("g", start, delivery.sequence, Reply("ok"))
        await asyncio.gather(*tasks)

    run(scene())


def test_the_dispatcher_opens_the_slots_that_a_group_has_chosen() -> None:
    async def scene() -> None:
        dispatcher = Dispatcher()
        facts = GroupFacts("cpu", "model", "data", 1.5, slots=3, packing="3 slots train fastest")
        await dispatcher.add_group("g")
        tasks = [asyncio.create_task(dispatcher.submit(request(trial))) for trial in range(4)]
        await settle()
        start = await dispatcher.begin("g", "token")
        assert start is not None
        await dispatcher.join("g", start, facts)
        assert await dispatcher.first_facts() == facts
        round_ = await dispatcher.next_round("g", start, 0)
        assert round_ is not None
        assert len(round_) == 3
        for delivery in round_:
            await dispatcher.answer("g", start, delivery.sequence, Reply("ok"))
        await dispatcher.release(0)
        (last,) = await dispatcher.next_round("g", start, 1) or ()
        await dispatcher.answer("g", start, last.sequence, Reply("ok"))
        await asyncio.gather(*tasks)

    run(scene())


def test_a_group_that_is_down_gives_its_trials_to_one_that_is_up() -> None:
    async def scene() -> None:
        table, task, on_b = await first_of_two()
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
            table.add_group(name)
        task = asyncio.create_task(table.submit(request(0)))
        await settle()
        for name in names[:MAX_DELIVERIES]:
            await round_of(table, name, join(table, name, 1), 0)
            table.end_group(name, "its workers died")
        assert (await task).outcome == "worker_lost"

    run(scene())


def test_workers_that_run_out_of_memory_begin_smaller_and_no_trial_is_given_up() -> None:
    async def scene() -> None:
        table = SlotTable(linger=0)
        table.add_group("g")
        tasks = [asyncio.create_task(table.submit(request(trial))) for trial in range(2)]
        await settle()
        for time in range(2 * MAX_DELIVERIES):
            assert table.shrinks("g") == time
            start = join(table, "g", 2)
            assert len(await round_of(table, "g", start, 0)) == 2
            table.short_of_memory("g", start)
            table.short_of_memory("g", start)  # another of its workers
            table.down("g")
        start = join(table, "g", 2)
        for delivery in await round_of(table, "g", start, 0):
            table.answer("g", start, delivery.sequence, Reply("ok"))
        assert [reply.outcome for reply in await asyncio.gather(*tasks)] == ["ok", "ok"]

    run(scene())


def test_a_trial_that_does_not_fit_alone_is_infeasible() -> None:
    async def scene() -> None:
        table = SlotTable(linger=0)
        table.add_group("g")
        task = asyncio.create_task(table.submit(request(0)))
        await settle()
        for _ in range(MOST_SHRINKS + 1):
            start = join(table, "g", 1)
            await round_of(table, "g", start, 0)
            table.short_of_memory("g", start)
            table.down("g")
        assert (await task).outcome == "out_of_memory"

    run(scene())


def test_a_trial_that_kills_its_workers_is_given_up_and_its_pack_is_not() -> None:
    async def scene() -> None:
        table = SlotTable(linger=0)
        table.add_group("g")
        tasks = [asyncio.create_task(table.submit(request(trial))) for trial in range(4)]
        await settle()
        while not all(task.done() for task in tasks):
            start, index = join(table, "g", 4), 0
            while not all(task.done() for task in tasks):
                round_ = await round_of(table, "g", start, index)
                index += 1
                if any(delivery.request.trial == 2 for delivery in round_):
                    table.down("g")
                    break
                for delivery in round_:
                    table.answer("g", start, delivery.sequence, Reply("ok"))
                    table.release(delivery.request.trial)
                await settle()
            await settle()
        outcomes = [(await task).outcome for task in tasks]
        assert outcomes == ["ok", "ok", "worker_lost", "ok"]

    run(scene())
