"""One worker group: a Ray Train run, and what is needed to start it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from search.cluster import prepare_environment
from trainables.messages import GroupSettings

_CRASHES = 100
"""Restarts beside those for lost machines: the dispatcher tells the two apart, and says when to stop."""

_FAILED_STARTS = 3
"""Starts of a group, over its whole life, whose processes may die before they have begun."""

_LONGEST = 300


@dataclass(frozen=True)
class GroupSpec:
    """How to run one group.

    Attributes:
        name: Name of the group.
        run_name: Name of its Ray Train run, unique to this session.
        settings: What it serves.
        workers: Number of workers.
        cpus: CPUs per worker.
        gpus: GPUs per worker.
        max_failures: Machines that it may lose before it is given up.
        scratch: Folder for Ray Train's own files.
    """

    name: str
    run_name: str
    settings: GroupSettings
    workers: int
    cpus: float
    gpus: float
    max_failures: int
    scratch: str

    @property
    def needs(self) -> str:
        """Its resources in words."""
        each = f"{self.cpus:g} CPU" + (f" and {self.gpus:g} GPU" if self.gpus else "")
        return f"{self.workers} x ({each})"


def run_group(spec: GroupSpec, dispatcher: Any) -> str:
    """Runs a group until it is stopped, or has failed too often; returns why it ended."""
    prepare_environment()  # the driver's own is not that of a cluster which was there before
    from ray.exceptions import RayError
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.v2.api.exceptions import ControllerError, TrainingFailedError

    from search.groups.callback import TellDispatcher
    from search.groups.trainer import GroupTrainer
    from trainables.serving.worker import serve

    trainer = GroupTrainer(
        serve,
        train_loop_config={"name": spec.name, "settings": spec.settings, "dispatcher": dispatcher},
        backend_config=_backend(spec),
        scaling_config=ScalingConfig(
            num_workers=spec.workers,
            use_gpu=spec.gpus > 0,
            resources_per_worker={"CPU": spec.cpus} | ({"GPU": spec.gpus} if spec.gpus else {}),
        ),
        run_config=RunConfig(
            name=spec.run_name,
            storage_path=spec.scratch,
            failure_config=FailureConfig(
                max_failures=spec.max_failures + _CRASHES, controller_failure_limit=_FAILED_STARTS
            ),
            callbacks=[TellDispatcher(dispatcher, spec.name, spec.workers)],
        ),
    )
    try:
        trainer.fit()
    except ControllerError as failure:
        return f"the processes of {spec.name} could not be started: {_last_line(failure.controller_failure)}"
    except (TrainingFailedError, RayError) as failure:
        return f"{spec.name} failed: {' '.join(str(failure).split())[:_LONGEST]}"
    return f"{spec.name} ended"


def _backend(spec: GroupSpec) -> Any:
    """What connects the workers; a single one that holds the whole model needs no process group of torch."""
    from ray.train.backend import BackendConfig

    if spec.workers == 1 and spec.settings.zero_stage != 3:
        return BackendConfig()
    from ray.train.torch import TorchConfig

    return TorchConfig(backend="nccl" if spec.gpus else "gloo")


def _last_line(error: BaseException) -> str:
    """What an error's text, which may hold a traceback, ends with."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:_LONGEST] if lines else type(error).__name__
