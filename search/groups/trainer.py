"""Ray Train for a group of workers, without the processes that such a group does not use.

Around each run Ray Train starts five processes of about 200 MB and 2 to 6 s of CPU each: its controller, a
barrier for `ray.train.report`, a manager of datasets, one that frees a lost controller's resources, and one
that negotiates with Ray Data. Groups report to the dispatcher, read no Ray datasets, and end with the
dispatcher, in whose process their controllers run.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy
from ray.train.v2._internal.execution.worker_group import WorkerGroup, state, worker_group
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer


class GroupTrainer(DataParallelTrainer):  # type: ignore[misc]  # Ray has no types here
    """As its base class, but `fit` runs the controller in the calling thread, and starts only workers."""

    def _create_default_callbacks(self) -> list[Any]:
        unused = (DatasetsCallback, PlacementGroupCleanerCallback)
        return [given for given in super()._create_default_callbacks() if not isinstance(given, unused)]

    def _initialize_and_run_controller(self, **given: Any) -> Any:
        controller = _Controller(**given | {"scaling_policy": _OneSize(self.scaling_config)})
        asyncio.run(controller.run())
        return controller.get_result()


class _OneSize(FixedScalingPolicy):  # type: ignore[misc]
    """Groups never change their size; nodes are asked for by placement groups that wait."""

    def _send_resource_request(self) -> None:
        pass

    def _maybe_send_resource_request(self) -> None:
        pass

    def _cancel_resource_request(self) -> None:
        pass


class _Workers(WorkerGroup):  # type: ignore[misc]
    """Workers without an environment of their own, so that processes that wait already become workers."""

    @staticmethod
    def _get_worker_runtime_env(custom_runtime_env: Any) -> Any:
        return custom_runtime_env


class _Controller(TrainController):  # type: ignore[misc]
    worker_group_cls = _Workers


class _NoBarrier:
    """In place of the actor in which workers that call `ray.train.report` wait for one another."""

    @classmethod
    def options(cls, **_: Any) -> type[_NoBarrier]:
        return cls

    @classmethod
    def remote(cls, **_: Any) -> _NoBarrier:
        return cls()


worker_group.SynchronizationActor = _NoBarrier
state._shutdown_sync_actor = lambda barrier: None
