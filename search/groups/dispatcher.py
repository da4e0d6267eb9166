"""The actor between trials and worker groups, under which the groups run."""

from __future__ import annotations

import asyncio
import ctypes
import signal
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from search.groups.depot import Depot
from search.groups.group import GroupSpec, run_group
from search.groups.nodes import watch_draining
from search.groups.slots import MAX_LOSSES, SlotTable
from search.redact import redact
from trainables.crash import CRASH_LOG, Crash
from trainables.messages import Delivery, GroupFacts, Reply, Request

_ROUND_SECONDS = 60.0
"""Calls of workers that are idle for long, each made again and again, would else fill the dispatcher."""


class Dispatcher:
    """`SlotTable` as an async Ray actor; every call is cheap or waits without blocking the others.

    A call of a worker may come more than once, and late: see `trainables.serving.line`.

    Args:
        folder: The search's folder on this machine, for the tracebacks of crashes; None keeps none.
        inputs: Paths on this machine that workers on others may read.
    """

    def __init__(self, folder: str | None = None, inputs: Collection[str] = ()) -> None:
        self._table = SlotTable()
        self._facts: asyncio.Queue[GroupFacts | Reply] = asyncio.Queue()
        self._folder = folder
        self._crashes: set[tuple[str, int, Crash]] = set()
        self._said: list[str] = []
        self._watching: asyncio.Task[None] | None = None
        self._keeping: dict[str, asyncio.Future[None]] = {}
        self._depot = None if folder is None else Depot(Path(folder), inputs, _chunk, self._said.append)

    async def keep(self, name: str, parts: Mapping[str, Sequence[Any]]) -> None:
        """See `Depot.keep`; a worker that asks again while storage is waited for waits for the same."""
        assert self._depot is not None
        if name not in self._keeping:
            keeping = asyncio.ensure_future(asyncio.to_thread(self._depot.keep, name, parts))
            self._keeping[name] = keeping
            keeping.add_done_callback(lambda done: self._keeping.pop(name))
        await asyncio.shield(self._keeping[name])

    async def listing(self, name: str) -> list[tuple[str, int]] | None:
        """See `Depot.listing`."""
        assert self._depot is not None
        return await asyncio.to_thread(self._depot.listing, name)

    async def read(self, name: str, file: str, offset: int) -> bytes:
        """See `Depot.read`."""
        assert self._depot is not None
        return await asyncio.to_thread(self._depot.read, name, file, offset)

    async def drop_old_moments(self, name: str) -> None:
        """See `Depot.drop_old_moments`."""
        assert self._depot is not None
        await asyncio.to_thread(self._depot.drop_old_moments, name)

    async def add_group(self, name: str, max_losses: int = MAX_LOSSES) -> None:
        """See `SlotTable.add_group`."""
        self._table.add_group(name, max_losses)

    async def begin(self, name: str, token: str, nodes: Collection[str] = ()) -> int | None:
        """See `SlotTable.begin`."""
        return self._table.begin(name, token, nodes)

    async def doing(self, name: str, what: str) -> None:
        """See `SlotTable.doing`."""
        self._table.doing(name, what)

    async def waiting_for(self) -> str | None:
        """See `SlotTable.waiting_for`."""
        return self._table.waiting_for()

    async def crashed(self, name: str, start: int, crash: Crash) -> None:
        """See `SlotTable.crashed`; the traceback is kept, and the driver notified."""
        self._table.crashed(name, start, crash)
        if (name, start, crash) not in self._crashes:
            self._crashes.add((name, start, crash))
            self._keep(name, crash)

    async def say(self, name: str, text: str) -> None:
        """A group's worker has something for whoever watches the search."""
        self._said.append(f"{name}: {text}")

    async def said(self, since: int) -> list[str]:
        """What was said, from the `since`-th on."""
        return self._said[since:]

    async def wait_to_measure(self, name: str) -> None:
        """See `SlotTable.wait_to_measure`."""
        await self._table.wait_to_measure(name)

    async def join(self, name: str, start: int, facts: GroupFacts) -> None:
        """See `SlotTable.join`; `facts` go to the driver."""
        if self._table.join(name, start, facts.slots):
            await self._facts.put(facts)

    async def refuse(self, name: str, start: int, reply: Reply) -> None:
        """See `SlotTable.refuse`; the reply goes to the driver."""
        if self._table.refuse(name, start, reply.message):
            await self._facts.put(reply)

    async def first_facts(self) -> GroupFacts | Reply:
        """Waits until the first group is up, or has refused."""
        return await self._facts.get()

    async def submit(self, request: Request) -> Reply:
        """See `SlotTable.submit`."""
        return await self._table.submit(request)

    async def release(self, trial: int) -> None:
        """See `SlotTable.release`."""
        self._table.release(trial)

    async def next_round(self, name: str, start: int, index: int) -> tuple[Delivery, ...] | None:
        """See `SlotTable.next_round`; empty where there is none yet, and the worker is to ask again."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_ROUND_SECONDS):
                return await self._table.next_round(name, start, index)
        return ()

    async def answer(self, name: str, start: int, sequence: int, reply: Reply) -> None:
        """See `SlotTable.answer`."""
        self._table.answer(name, start, sequence, reply)

    async def leave(self, name: str, start: int) -> bool:
        """See `SlotTable.leave`."""
        return self._table.leave(name, start)

    async def capacity(self) -> int:
        """See `SlotTable.capacity`."""
        return self._table.capacity()

    async def short_of_memory(self, name: str, start: int) -> None:
        """See `SlotTable.short_of_memory`."""
        self._table.short_of_memory(name, start)

    async def shrinks(self, name: str) -> int:
        """See `SlotTable.shrinks`."""
        return self._table.shrinks(name)

    async def down(
        self, name: str, seen: Crash | None = None, preempted: bool = False, machine: bool = False
    ) -> None:
        """See `SlotTable.down`."""
        if seen is not None:
            seen = replace(seen, doing=self._table.at(name) or seen.doing)
            self._keep(name, seen)
        problem = self._table.down(name, seen, preempted, machine)
        if problem is not None:
            await self._facts.put(Reply("crashed", str(problem)))

    async def run_group(self, spec: GroupSpec, handle: Any) -> None:
        """Runs a group to its end.

        Here and not in the driver, whose threads would be cut off in the middle of a call when it leaves
        the cluster.

        Args:
            spec: The group.
            handle: This actor's own handle, for the group's workers.
        """
        if self._watching is None:
            self._watching = asyncio.create_task(watch_draining(self._drain))
        error = "the worker group could not be started"
        try:
            with ThreadPoolExecutor(
                max_workers=1
            ) as pool:  # the default pool has few threads, for all groups
                error = await asyncio.get_running_loop().run_in_executor(pool, run_group, spec, handle)
        finally:
            self._table.end_group(spec.name, error)
            await self._facts.put(Reply("worker_lost", error))

    async def withdraw(self, trial: int) -> None:
        """See `SlotTable.withdraw`."""
        self._table.withdraw(trial)

    async def stop(self) -> list[str]:
        """See `SlotTable.stop`."""
        return self._table.stop()

    def _drain(self, nodes: frozenset[str]) -> None:
        for name in self._table.drain(nodes):
            self._said.append(f"{name}: its node is about to be taken away; its trials continue elsewhere")

    def _keep(self, name: str, crash: Crash) -> None:
        """Adds a crash to the log in the search's folder, as far as that can be written."""
        self._said.append(f"{name} crashed: {crash.line}")
        if self._folder is not None:
            when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
            with suppress(OSError), Path(self._folder, CRASH_LOG).open("a", encoding="utf-8") as log:
                log.write(redact(f"--- {when}, {name}: {crash.line}\n{crash.traceback}\n"))


def _chunk(sent: Any) -> bytes:
    import ray

    chunk: bytes = ray.get(sent)
    return chunk


class _DispatcherProcess(Dispatcher):
    """The dispatcher in a process of its own, which ends at once when it is asked to.

    Ray's own answer to SIGTERM is to take no more calls and to wait for those that are there, some of which
    wait for the search's end.
    """

    def __init__(self, *given: Any) -> None:
        # Python lets only the main thread say what a signal does, and this is another one.
        libc = ctypes.CDLL(None)
        libc.signal.argtypes, libc.signal.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
        libc.signal(signal.SIGTERM, None)
        super().__init__(*given)


def start_dispatcher(folder: Path, inputs: Collection[str] = ()) -> Any:
    """Starts the actor on the driver's node: a node that comes and goes must not take it along.

    Args:
        folder: The search's folder.
        inputs: Paths on the driver's machine that workers on others may read.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    options = {"num_cpus": 0, "max_concurrency": 10_000, "scheduling_strategy": here}
    # While a link is down a call is made again: none does harm when it is made twice.
    return ray.remote(**options, max_task_retries=-1)(_DispatcherProcess).remote(str(folder), list(inputs))
