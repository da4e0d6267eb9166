"""Worker groups as the driver sees them; the groups themselves run under the dispatcher.

Ray is imported inside the functions: it reads its environment when it is imported, and
`search.cluster.start_ray` sets that first.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from search.cluster import Capacity
from search.config.schema import WorkersConfig
from search.groups.dispatcher import start_dispatcher
from search.groups.group import GroupSpec
from trainables.messages import BaselineRequest, GroupFacts, GroupSettings, Reply


class WorkerGroups:
    """The groups of one search.

    Args:
        settings: What every group serves.
        workers: Size of a group, and how often it may restart.
        capacity: Number of groups and resources per worker.
        scratch: Folder for Ray Train's own files, which nobody needs afterwards.
    """

    def __init__(
        self, settings: GroupSettings, workers: WorkersConfig, capacity: Capacity, scratch: Path
    ) -> None:
        self._specs = [
            GroupSpec(
                name=f"group-{index}",
                run_name=f"group-{index}-{os.getpid()}",
                settings=settings,
                workers=workers.workers,
                cpus=capacity.cpus,
                gpus=capacity.gpus,
                max_failures=workers.max_failures,
                scratch=str(scratch),
            )
            for index in range(capacity.groups)
        ]
        self.dispatcher: Any = start_dispatcher()
        self._running: list[Any] = []

    def start(self) -> None:
        """Starts every group; returns at once."""
        import ray

        ray.get([self.dispatcher.add_group.remote(spec.name) for spec in self._specs])
        self._running = [self.dispatcher.run_group.remote(spec, self.dispatcher) for spec in self._specs]

    def wait_for_first(self, on_wait: Callable[[str], None], patience: float = 60.0) -> GroupFacts | Reply:
        """Blocks until one group is up (its facts) or cannot come up (its refusal).

        Args:
            on_wait: Called with a message whenever `patience` seconds have passed with no group up.
            patience: In seconds.
        """
        import ray

        first = self.dispatcher.first_facts.remote()
        while not ray.wait([first], timeout=patience)[0]:
            on_wait(f"no worker group is up yet; each needs {self._specs[0].needs}")
        facts: GroupFacts | Reply = ray.get(first)
        return facts

    def measure_base(self) -> Reply:
        """Measures the untouched base model on the first group that is up."""
        import ray

        reply: Reply = ray.get(self.dispatcher.submit.remote(BaselineRequest()))
        return reply

    def capacity(self) -> int:
        """Trials that can train at once just now; see `SlotTable.capacity`."""
        import ray

        slots: int = ray.get(self.dispatcher.capacity.remote())
        return slots

    def stop(self, timeout: float = 20.0) -> None:
        """Ends the groups in order, waiting at most `timeout` seconds."""
        import ray

        ray.get(self.dispatcher.stop.remote())
        ray.wait(self._running, num_returns=len(self._running), timeout=timeout)
