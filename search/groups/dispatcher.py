"""The actor between trials and worker groups, under which the groups run."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from search.groups.group import GroupSpec, run_group
from search.groups.slots import SlotTable
from trainables.messages import Delivery, GroupFacts, Reply, Request


class Dispatcher:
    """`SlotTable` as an async Ray actor; every call is cheap or waits without blocking the others."""

    def __init__(self) -> None:
        self._table = SlotTable()
        self._facts: asyncio.Queue[GroupFacts | Reply] = asyncio.Queue()

    async def add_group(self, name: str) -> None:
        """See `SlotTable.add_group`."""
        self._table.add_group(name)

    async def wait_to_measure(self, name: str) -> None:
        """See `SlotTable.wait_to_measure`."""
        await self._table.wait_to_measure(name)

    async def join(self, name: str, facts: GroupFacts) -> int:
        """See `SlotTable.join`; `facts` go to the driver."""
        await self._facts.put(facts)
        return self._table.join(name, facts.slots)

    async def refuse(self, name: str, reply: Reply) -> None:
        """A group's workers found that they can never serve: the request itself is wrong."""
        self._table.end_group(name, reply.message)
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

    async def next_round(self, name: str, incarnation: int, index: int) -> tuple[Delivery, ...] | None:
        """See `SlotTable.next_round`."""
        return await self._table.next_round(name, incarnation, index)

    async def answer(self, name: str, incarnation: int, sequence: int, reply: Reply) -> None:
        """See `SlotTable.answer`."""
        self._table.answer(name, incarnation, sequence, reply)

    async def capacity(self) -> int:
        """See `SlotTable.capacity`."""
        return self._table.capacity()

    async def short_of_memory(self, name: str, shrinks: int) -> None:
        """See `SlotTable.short_of_memory`."""
        self._table.short_of_memory(name, shrinks)

    async def shrinks(self, name: str) -> int:
        """See `SlotTable.shrinks`."""
        return self._table.shrinks(name)

    async def down(self, name: str) -> None:
        """See `SlotTable.down`."""
        self._table.down(name)

    async def run_group(self, spec: GroupSpec, handle: Any) -> None:
        """Runs a group to its end.

        Here and not in the driver, whose threads would be cut off in the middle of a call when it leaves
        the cluster.

        Args:
            spec: The group.
            handle: This actor's own handle, for the group's workers.
        """
        error = "the worker group could not be started"
        try:
            with ThreadPoolExecutor(max_workers=1) as own:  # the default pool has few threads, for all groups
                error = await asyncio.get_running_loop().run_in_executor(own, run_group, spec, handle)
        finally:
            self._table.end_group(spec.name, error)
            await self._facts.put(Reply("worker_lost", error))

    async def stop(self) -> None:
        """See `SlotTable.stop`."""
        self._table.stop()


def start_dispatcher() -> Any:
    """Starts the actor on the driver's node: a node that comes and goes must not take it along."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(num_cpus=0, max_concurrency=10_000, scheduling_strategy=here)(Dispatcher)
    return actor.remote()
