"""Lost actors of trials, and nodes that are taken away: nothing is lost, and nothing is trained twice."""

from __future__ import annotations

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from search.groups.dispatcher import Dispatcher
from search.groups.held import MAX_DELIVERIES
from search.groups.slots import SlotTable
from tests.search.slot_scenes import join, request, round_of, run, settle, up
from trainables.crash import DrainedError
from trainables.messages import Delivery, Reply, TrainRequest


def two_groups(slots: int = 1) -> tuple[SlotTable, dict[str, int]]:
    """Groups "a" and "b" on nodes of these names, both up; returns their starts."""
    table = SlotTable(linger=0.0)
    for name in ("a", "b"):
        table.add_group(name)
    return table, {name: join(table, name, slots, name) for name in ("a", "b")}


def test_a_lost_actors_request_that_is_under_way_is_not_served_again() -> None:
    async def scene() -> None:
        table, start = up(0.0, 1)
        lost = asyncio.create_task(table.submit(request(0)))
        await settle()
        (delivery,) = await round_of(table, "g", start, 0)
        lost.cancel()
        table.release(0)
        again = asyncio.create_task(table.submit(request(0)))
        other = asyncio.create_task(table.submit(request(1)))
        await settle()
        table.answer("g", start, delivery.sequence, Reply("ok", message="the first"))
        assert (await again).message == "the first"
        following = asyncio.create_task(table.submit(request(0, rung=1)))
        (delivery,) = await round_of(table, "g", start, 1)
        assert delivery.request == request(0, rung=1), "the trial has its slot again"
        for task in (other, following):
            task.cancel()

    run(scene())


def test_a_lost_actors_request_that_waits_is_served_once() -> None:
    async def scene() -> None:
        table, start = up(0.0, 1)
        tasks = [asyncio.create_task(table.submit(request(trial))) for trial in (0, 1)]
        await settle()
        tasks[1].cancel()
        table.release(1)
        tasks[1] = asyncio.create_task(table.submit(request(1)))
        await settle()
        for index in (0, 1):
            (delivery,) = await round_of(table, "g", start, index)
            assert delivery.request == request(index)
            table.answer("g", start, delivery.sequence, Reply("ok"))
            await tasks[index]
            table.release(index)
        asked = asyncio.create_task(table.next_round("g", start, 2))
        await settle()
        assert not asked.done(), "nothing is left to serve"
        asked.cancel()

    run(scene())


def test_a_drained_group_gets_nothing_new_and_what_it_leaves_goes_elsewhere_uncounted() -> None:
    async def scene() -> None:
        table, on = two_groups()
        tasks = [asyncio.create_task(table.submit(request(trial))) for trial in range(2)]
        await settle()
        rounds = {name: await round_of(table, name, on[name], 0) for name in on}
        assert table.drain(["a"]) == ["a"]
        assert table.drain(["a"]) == [], "it is said once"
        assert table.capacity() == 1
        assert await table.next_round("a", on["a"], 1) is None
        table.answer("b", on["b"], rounds["b"][0].sequence, Reply("ok"))
        await tasks[1]
        table.release(1)
        assert table.leave("a", on["a"])
        assert not table.leave("b", on["b"])
        (delivery,) = await round_of(table, "b", on["b"], 1)
        assert delivery.request == request(0)
        table.answer("b", on["b"], delivery.sequence, Reply("ok"))
        assert (await tasks[0]).outcome == "ok"

    run(scene())


def test_a_rung_that_is_reached_while_the_group_leaves_counts() -> None:
    async def scene() -> None:
        table, on = two_groups()
        first = asyncio.create_task(table.submit(request(0)))
        await settle()
        (delivery,) = await round_of(table, "a", on["a"], 0)
        table.drain(["a"])
        table.answer("a", on["a"], delivery.sequence, Reply("ok"))
        assert (await first).outcome == "ok"
        second = asyncio.create_task(table.submit(request(0, rung=1)))
        (delivery,) = await round_of(table, "b", on["b"], 0)
        assert delivery.request == request(0, rung=1)
        table.answer("b", on["b"], delivery.sequence, Reply("ok"))
        await second

    run(scene())


def test_a_group_that_comes_up_on_a_draining_node_leaves_it_at_once() -> None:
    async def scene() -> None:
        table = SlotTable(linger=0.0)
        table.add_group("g")
        table.drain(["old"])
        waiting = asyncio.create_task(table.submit(request(0)))
        start = join(table, "g", 1, "old")
        assert await table.next_round("g", start, 0) is None
        assert table.leave("g", start)
        table.down("g", preempted=True)
        start = join(table, "g", 1, "new")
        (delivery,) = await round_of(table, "g", start, 0)
        table.answer("g", start, delivery.sequence, Reply("ok"))
        await waiting

    run(scene())


def test_losses_that_were_announced_are_put_down_to_nobody() -> None:
    async def scene() -> None:
        table = SlotTable(linger=0.0)
        table.add_group("g", max_losses=0)
        task = asyncio.create_task(table.submit(request(0)))
        await settle()
        for time in range(2 * MAX_DELIVERIES):
            await round_of(table, "g", join(table, "g", 1, f"node {time}"), 0)
            table.down("g", preempted=True)
        start = join(table, "g", 1, "last")
        (delivery,) = await round_of(table, "g", start, 0)
        table.answer("g", start, delivery.sequence, Reply("ok"))
        assert (await task).outcome == "ok"

    run(scene())


def test_machines_that_are_lost_are_put_down_to_nobody() -> None:
    async def scene() -> None:
        table = SlotTable(linger=0.0)
        table.add_group("g", max_losses=2 * MAX_DELIVERIES + 1)
        tasks = [asyncio.create_task(table.submit(request(trial))) for trial in range(2)]
        await settle()
        for _ in range(2 * MAX_DELIVERIES):
            assert len(await round_of(table, "g", join(table, "g", 2), 0)) == 2, "none is suspected"
            table.down("g", machine=True)
        start = join(table, "g", 2)
        for index in range(2):
            (delivery,) = await round_of(table, "g", start, index)
            table.answer("g", start, delivery.sequence, Reply("ok"))
            await settle()
        assert [reply.outcome for reply in await asyncio.gather(*tasks)] == ["ok", "ok"]

    run(scene())


def test_a_trial_that_takes_machines_down_is_given_up_before_its_group_and_alone() -> None:
    async def scene() -> None:
        table = SlotTable(linger=0.0)
        table.add_group("g", max_losses=5)
        tasks = [asyncio.create_task(table.submit(request(trial))) for trial in range(2)]
        await settle()
        for under_way in (2, 2, 2, 2, 1):
            assert len(await round_of(table, "g", join(table, "g", 2), 0)) == under_way
            table.down("g", machine=True)
        reply = await tasks[0]
        assert reply.outcome == "worker_lost"
        assert "5 machines were lost under it on this rung" in reply.message
        start = join(table, "g", 2)
        (delivery,) = await round_of(table, "g", start, 0)
        table.answer("g", start, delivery.sequence, Reply("ok"))
        assert (await tasks[1]).outcome == "ok"

    run(scene())


class Worker:
    """A group's worker whose nodes are taken away one after another, some in the middle of a step."""

    def __init__(
        self, table: SlotTable, name: str, chance: random.Random, answered: list[tuple[int, int]]
    ) -> None:
        self._table, self._name, self._chance = table, name, chance
        self._answered = answered

    async def run(self, nodes: int, draining: set[str]) -> None:
        for number in range(nodes + 1):
            node = f"{self._name} {number}"
            try:
                await self._serve(node, draining, stays=number == nodes)
            except DrainedError:
                self._table.down(self._name, preempted=True)

    async def _serve(self, node: str, draining: set[str], stays: bool) -> None:
        start, index = self._table.begin(self._name, node, [node]), 0
        if start is None:
            return
        self._table.join(self._name, start, 2)
        training: list[Delivery] = []
        while True:
            asked = asyncio.create_task(self._table.next_round(self._name, start, index))
            while not asked.done():
                await asyncio.sleep(0)
                if not stays and self._chance.random() < 0.05:
                    draining.add(node)
                    self._table.drain(draining)
                    if self._chance.random() < 0.3:
                        asked.cancel()
                        raise DrainedError
                elif training and self._chance.random() < 0.5:
                    self._answer(start, training.pop())
            if (round_ := asked.result()) is None:
                break
            training += round_
            index += 1
        if self._table.leave(self._name, start):
            raise DrainedError

    def _answer(self, start: int, delivery: Delivery) -> None:
        assert isinstance(delivery.request, TrainRequest)
        self._answered.append((delivery.request.trial, delivery.request.from_step))
        self._table.answer(self._name, start, delivery.sequence, Reply("ok"))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.integers(1, 8), st.integers(0, 3), st.floats(0, 0.2), st.integers(0, 2**32))
def test_every_rung_is_trained_once_whatever_actors_and_nodes_are_lost(
    groups: int, trials: int, nodes: int, losing: float, seed: int
) -> None:
    async def scene() -> None:
        table, chance = SlotTable(linger=0.001), random.Random(seed)
        names = [f"g{index}" for index in range(groups)]
        draining: set[str] = set()
        answered: list[tuple[int, int]] = []

        async def ask(number: int, rung: int) -> Reply:
            """Asks for a rung; the actor that asks may be lost before the answer, and another asks again."""
            while True:
                asked = asyncio.create_task(table.submit(request(number, rung)))
                while not asked.done():
                    await asyncio.sleep(0)
                    if chance.random() < losing and (number, rung) not in answered:
                        asked.cancel()
                        break
                else:
                    return asked.result()
                table.release(number)

        async def trial(number: int) -> None:
            for rung in range(3):
                assert (await ask(number, rung)).outcome == "ok"
            table.release(number)

        for name in names:
            table.add_group(name, max_losses=0)
        workers = [Worker(table, name, random.Random(f"{seed} {name}"), answered) for name in names]
        running = [asyncio.create_task(worker.run(nodes, draining)) for worker in workers]
        await asyncio.gather(*(trial(number) for number in range(trials)))
        table.stop()
        await asyncio.gather(*running)
        assert len(answered) == len(set(answered)), "no rung is trained twice"
        assert len(answered) == 3 * trials

    run(scene())


def test_the_dispatcher_says_which_group_leaves() -> None:
    async def scene() -> None:
        dispatcher = Dispatcher()
        await dispatcher.add_group("g")
        join(dispatcher._table, "g", 1, "node")
        dispatcher._drain(frozenset({"node"}))
        (said,) = await dispatcher.said(0)
        assert "g: its node is about to be taken away" in said

    run(scene())
