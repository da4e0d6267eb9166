"""Starts worker groups: one Ray Train run each, in a thread of the driver.

Ray is imported inside the functions: it reads its environment when it is imported, and
`search.cluster.start_ray` sets that first.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from search.cluster import Capacity
from search.config.schema import WorkersConfig
from search.groups.dispatcher import start_dispatcher
from trainables.messages import BaselineRequest, GroupFacts, GroupSettings, Reply


class WorkerGroups:
    """The groups of one search.

    Args:
        settings: What every group serves.
        workers: Size of a group, its slots, and how often it may restart.
        capacity: Number of groups and resources per worker.
        scratch: Folder for Ray Train's own files, which nobody needs afterwards.
    """

    def __init__(
        self, settings: GroupSettings, workers: WorkersConfig, capacity: Capacity, scratch: Path
    ) -> None:
        self._settings = settings
        self._names = [f"group-{index}" for index in range(capacity.groups)]
        self._workers = workers
        self._capacity = capacity
        self._scratch = scratch
        self.dispatcher: Any = start_dispatcher()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Starts every group; returns at once."""
        import ray

        ray.get([self.dispatcher.add_group.remote(name, self._workers.slots) for name in self._names])
        for name in self._names:
            thread = threading.Thread(target=self._run, args=(name,), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def wait_for_first(self, on_wait: Callable[[str], None], patience: float = 60.0) -> GroupFacts | Reply:
        """Blocks until one group is up (its facts) or cannot come up (its refusal).

        Args:
            on_wait: Called with a message whenever `patience` seconds have passed with no group up.
            patience: In seconds.
        """
        import ray

        first = self.dispatcher.first_facts.remote()
        while not ray.wait([first], timeout=patience)[0]:
            on_wait(f"no worker group is up yet; each needs {self._needs()}")
        facts: GroupFacts | Reply = ray.get(first)
        return facts

    def _needs(self) -> str:
        cpus, gpus = self._capacity.cpus, self._capacity.gpus
        each = f"{cpus:g} CPU" + (f" and {gpus:g} GPU" if gpus else "")
        return f"{self._workers.workers} x ({each})"

    def measure_base(self) -> Reply:
        """Measures the untouched base model on the first group that is up."""
        import ray

        reply: Reply = ray.get(self.dispatcher.submit.remote(BaselineRequest()))
        return reply

    def stop(self, timeout: float = 20.0) -> None:
        """Ends the groups in order, waiting at most `timeout` seconds."""
        import ray

        ray.get(self.dispatcher.stop.remote())
        for thread in self._threads:
            thread.join(timeout / max(1, len(self._threads)))

    def _run(self, name: str) -> None:
        """Runs one group until it is told to stop, or has failed too often."""
        import ray
        from ray.exceptions import RayError
        from ray.train.v2.api.exceptions import TrainingFailedError

        error = "the worker group could not be started"
        try:
            self._trainer(name).fit()
            error = "the worker group ended"
        except (TrainingFailedError, RayError) as failure:
            error = f"the worker group failed: {failure}"
        finally:
            if ray.is_initialized():
                self.dispatcher.end_group.remote(name, error)

    def _trainer(self, name: str) -> Any:
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer

        from search.groups.callback import TellDispatcher
        from trainables.worker import serve

        cpus, gpus = self._capacity.cpus, self._capacity.gpus
        return TorchTrainer(
            serve,
            train_loop_config={"name": name, "settings": self._settings, "dispatcher": self.dispatcher},
            torch_config=TorchConfig(backend="nccl" if gpus else "gloo"),
            scaling_config=ScalingConfig(
                num_workers=self._workers.workers,
                use_gpu=gpus > 0,
                resources_per_worker={"CPU": cpus} | ({"GPU": gpus} if gpus else {}),
            ),
            run_config=RunConfig(
                name=f"{name}-{os.getpid()}",
                storage_path=str(self._scratch),
                failure_config=FailureConfig(max_failures=self._workers.max_failures),
                callbacks=[TellDispatcher(self.dispatcher, name)],
            ),
        )
