"""A crash that comes again in the same way ends what it must, no more; lost machines are another matter."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError

from search.groups.callback import machine_lost, seen_crash
from search.groups.dispatcher import Dispatcher
from search.groups.slots import CrashedError, NoGroupsError, SlotTable
from tests.search.slot_scenes import begin, join, request, round_of, run, settle
from trainables.crash import (
    CRASH_LOG,
    BeginSmallerError,
    Crash,
    PeerLostError,
    WorkerCrashedError,
    crash_of,
    killed,
)
from trainables.messages import BaselineRequest, Reply


def crash(text: str = "{", doing: str = "loading the model") -> Crash:
    """A library's error in code of our own: what it says and where it is raised depend on `text`."""
    try:
        json.loads(text) if text == "{" else json.dumps({1j: text})
    except (ValueError, TypeError) as error:
        return crash_of(error, doing)
    raise AssertionError


def table_of(*names: str, losses: int = 3) -> SlotTable:
    table = SlotTable(linger=0)
    for name in names:
        table.add_group(name, losses)
    return table


def die(table: SlotTable, name: str, of: Crash | None) -> str | None:
    """A start of a group that ends before it has come up; what the search is to end with."""
    start = begin(table, name)
    if of is not None:
        table.crashed(name, start, of)
    problem = table.down(name)
    return None if problem is None else str(problem)


async def serve(table: SlotTable, name: str, of: Crash | None) -> list[int]:
    """A start of a group that comes up and dies of what it is given; the trials of that."""
    start = join(table, name, 2)
    round_ = await round_of(table, name, start, 0)
    if of is not None:
        table.crashed(name, start, of)
    table.down(name)
    return [getattr(delivery.request, "trial", -1) for delivery in round_]


def test_a_crash_says_on_one_line_what_it_was_and_where() -> None:
    found = crash()
    assert found.error.startswith("JSONDecodeError: Expecting property name")
    assert "json/decoder.py:" in found.place
    assert found.line.endswith("while loading the model")
    assert "\n" not in found.line
    assert "test_crashes.py" in found.traceback
    assert found.way == crash(doing="something else").way != crash("other").way


def test_what_a_library_prints_to_a_terminal_is_no_part_of_it() -> None:
    try:
        raise ValueError("red \x1b[31m and\nmany\n\nlines " + 1000 * "x")
    except ValueError as error:
        found = crash_of(error, "loading")
    assert found.error.isprintable()
    assert len(found.error) == 300


def test_two_crashes_alike_before_a_group_was_up_end_the_search() -> None:
    async def scene() -> None:
        table = table_of("g")
        assert die(table, "g", crash()) is None
        problem = die(table, "g", crash())
        assert problem is not None
        assert "crashed 2 times in the same way: JSONDecodeError" in problem
        assert CRASH_LOG in problem
        assert table.begin("g", "next") is None, "its workers have nothing to do any more"

    run(scene())


def test_crashes_that_differ_and_lost_machines_are_tried_again() -> None:
    async def scene() -> None:
        table = table_of("g", losses=3)
        for of in (crash(), None, crash("other"), None, None):
            assert die(table, "g", of) is None
        task = asyncio.create_task(table.submit(request(0)))
        await settle()
        assert not task.done()
        assert die(table, "g", None) is None, "one more than it may lose"
        with pytest.raises(NoGroupsError, match=r"g was lost 4 times \(workers.max_failures\)"):
            await task

    run(scene())


def test_the_same_crash_in_every_group_is_twice_in_the_same_way() -> None:
    async def scene() -> None:
        table = table_of("a", "b")
        assert die(table, "a", crash()) is None
        problem = die(table, "b", crash())
        assert problem is not None
        assert "The workers of all groups crashed 2 times in the same way" in problem
        table = table_of("a", "b")
        assert die(table, "a", crash()) is None
        assert die(table, "b", crash("other")) is None

    run(scene())


def test_where_another_group_serves_only_the_one_that_crashes_is_given_up() -> None:
    async def scene() -> None:
        table = table_of("good", "bad")
        up = join(table, "good", 1)
        assert die(table, "bad", crash()) is die(table, "bad", crash()) is None
        assert table.begin("bad", "next") is None
        task = asyncio.create_task(table.submit(request(0)))
        await settle()
        (delivery,) = await round_of(table, "good", up, 0)
        table.answer("good", up, delivery.sequence, Reply("ok"))
        assert (await task).outcome == "ok"

    run(scene())


def test_of_several_workers_of_a_start_the_first_crash_counts_and_late_ones_do_not() -> None:
    async def scene() -> None:
        table = table_of("g")
        first = begin(table, "g")
        for rank in range(2):
            table.crashed("g", first, crash("other" if rank else "{"))
        assert table.down("g") is None
        table.crashed("g", first, crash("other"))  # from a worker that dies late
        assert begin(table, "g") > first
        assert table.down("g") is None, "the second start was lost, and did not crash"
        assert die(table, "g", crash()) is not None

    run(scene())


def test_a_trial_that_crashes_its_workers_twice_is_given_up_and_the_others_go_on() -> None:
    async def scene() -> None:
        table = table_of("g", losses=0)
        tasks = [asyncio.create_task(table.submit(request(trial))) for trial in range(2)]
        await settle()
        assert await serve(table, "g", crash()) == [0, 1]
        up = join(table, "g", 2)
        (alone,) = await round_of(table, "g", up, 0)
        assert alone.request == request(0), "after a crash each is tried alone"
        table.answer("g", up, alone.sequence, Reply("ok"))
        table.release(0)
        assert (await tasks[0]).outcome == "ok"
        (alone,) = await round_of(table, "g", up, 1)
        assert alone.request == request(1)
        table.crashed("g", up, crash())
        table.down("g")
        reply = await tasks[1]
        assert reply.outcome == "crashed"
        assert "trial 1 crashed 2 times in the same way: JSONDecodeError" in reply.message
        assert begin(table, "g"), "no machine was lost"

    run(scene())


def test_where_every_trial_crashes_in_the_same_way_and_none_was_trained_the_search_ends() -> None:
    async def scene() -> None:
        table = table_of("g", losses=0)
        tasks = [asyncio.create_task(table.submit(request(trial))) for trial in range(4)]
        await settle()
        assert await serve(table, "g", crash()) == [0, 1]
        assert await serve(table, "g", crash()) == [0]
        assert (await tasks[0]).outcome == "crashed"
        assert len(await serve(table, "g", crash())) == 1
        for task in tasks[1:]:
            with pytest.raises(CrashedError, match="trained trials 0 and 1 crashed 2 times in the same way"):
                await task
        with pytest.raises(CrashedError):
            await table.submit(request(9))

    run(scene())


def test_a_base_that_cannot_be_measured_is_given_up_after_two() -> None:
    async def scene() -> None:
        table = table_of("g")
        task = asyncio.create_task(table.submit(BaselineRequest()))
        await settle()
        for _ in range(2):
            assert not task.done()
            await serve(table, "g", crash())
        assert (await task).outcome == "crashed"

    run(scene())


def died(why: str) -> ActorDiedError:
    """As Ray says that an actor has died; its own class wants a context of its core."""
    error = ActorDiedError()
    error.error_msg = error.base_error_msg = why
    error.args = (why,)
    return error


def test_what_ray_saw_is_a_crash_only_where_no_machine_was_lost() -> None:
    process = died("The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR")
    node = died("The actor died because its node has died. Node Id: 12")
    assert machine_lost([node], 2)
    assert machine_lost([PeerLostError("another is gone"), node], 2)
    assert machine_lost([PeerLostError("another is gone")], 2), "whose end Ray has not noticed"
    assert not machine_lost([PeerLostError("another is gone")] * 2, 2)
    assert not machine_lost([PeerLostError("another is gone"), process], 2)
    assert not machine_lost([WorkerCrashedError("said already")], 1)
    assert seen_crash([node], 2) is None
    assert seen_crash([process, node], 2) is None
    assert seen_crash([ActorUnavailableError("away", None)], 2) is None
    assert seen_crash([WorkerCrashedError("said already")], 2) is None
    assert seen_crash([PeerLostError("another is gone"), BeginSmallerError("out of memory")], 2) is None
    found = seen_crash([PeerLostError("another is gone"), process], 2)
    assert found is not None
    assert "was killed" in found.error
    each = seen_crash(
        [PeerLostError("NCCL: no socket interface"), PeerLostError("NCCL: no socket interface")], 2
    )
    assert each is not None, "nobody is gone, and it will be so again"
    assert "no socket interface" in each.error
    missing = seen_crash([ModuleNotFoundError("No module named 'trainables'")], 2)
    assert missing is not None
    assert missing.error == "ModuleNotFoundError: No module named 'trainables'"


def test_losses_that_were_announced_and_want_of_memory_do_not_count() -> None:
    async def scene() -> None:
        table = table_of("g", losses=0)
        for _ in range(3):
            begin(table, "g")
            assert table.down("g", preempted=True) is None
        table.short_of_memory("g", begin(table, "g"))
        table.down("g")
        assert begin(table, "g")

    run(scene())


def test_a_process_that_is_killed_while_it_loads_is_killed_again_and_one_that_serves_was_lost() -> None:
    async def scene() -> None:
        dispatcher = Dispatcher()
        await dispatcher.add_group("g")
        for token in ("first", "second"):
            await dispatcher.begin("g", token)
            await dispatcher.doing("g", "loading the data and a model")
            await dispatcher.down("g", killed("starting its process", "killed by the system"))
        problem = await dispatcher.first_facts()
        assert isinstance(problem, Reply)
        assert "while loading the data and a model" in problem.message
        assert "memory" in problem.message
        table = table_of("g")
        for _ in range(3):
            start = join(table, "g", 1)
            assert table.down("g", killed("starting its process", "killed by the system")) is None
        assert start == 3

    run(scene())


def test_the_driver_is_told_and_the_traceback_kept_without_credentials(tmp_path: Path) -> None:
    async def scene() -> None:
        dispatcher = Dispatcher(str(tmp_path))
        await dispatcher.add_group("g")
        assert await dispatcher.waiting_for() is None
        try:
            raise OSError("no answer from https://user:hunter2@hub")
        except OSError as error:
            found = crash_of(error, "loading")
        for token in ("first", "second"):
            start = await dispatcher.begin("g", token)
            assert start is not None
            await dispatcher.doing("g", "loading the data and a model")
            assert await dispatcher.waiting_for() == "g is loading the data and a model"
            await dispatcher.crashed("g", start, found)
            await dispatcher.down("g")
        refusal = await dispatcher.first_facts()
        assert isinstance(refusal, Reply)
        assert refusal.outcome == "crashed"
        log = (tmp_path / CRASH_LOG).read_text()
        assert log.count("Traceback") == 2
        assert "hunter2" not in log
        assert len(await dispatcher.said(0)) == 2
        assert await dispatcher.said(2) == []

    run(scene())
