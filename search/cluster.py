"""The Ray cluster: started here or joined, and how many worker groups it can hold."""

from __future__ import annotations

import logging
import math
import os
from dataclasses import dataclass
from typing import Any

from search.config.schema import WorkersConfig
from search.errors import TightropeError

# Ray reads these when it is imported; a user's own settings stay.
_ENVIRONMENT = {
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    # Many light actors on few cores is what a warm group is.
    "RAY_DEDUP_LOGS_SKIP_REGEX": "PYTHON worker processes have been started",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_WARN_SLOW_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "1000000000",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_MAX_PENDING_TRIALS_PG": "1",
}


class ClusterError(TightropeError):
    """The cluster cannot be reached, or cannot hold a single worker group."""


@dataclass(frozen=True)
class Capacity:
    """What the search may use.

    Attributes:
        groups: Number of worker groups.
        cpus: CPUs per worker.
        gpus: GPUs per worker.
        address: Where the cluster is; "this machine" where it was started here.
    """

    groups: int
    cpus: float
    gpus: float
    address: str


def prepare_environment() -> None:
    """Sets what Ray reads at import; call before anything imports it."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def start_ray(workers: WorkersConfig) -> Capacity:
    """Joins the configured cluster, or starts one on this machine that ends with this process.

    Raises:
        ClusterError: The cluster is away, or too small for one worker group.
    """
    prepare_environment()
    import ray

    address = workers.address or os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        # One more CPU than there are cores: for the light actors of the trials, which only wait.
        options |= {"address": "local", "num_cpus": _cores() + 1, "include_dashboard": True}
    else:
        options["address"] = address
    try:
        ray.init(**options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ClusterError(
            f"Ray cluster {address or 'on this machine'} could not be joined: {error}",
            hint="Check workers.address; leave it out to use this machine alone.",
        ) from error
    return _capacity(workers, ray.cluster_resources(), address)


def stop_ray() -> None:
    """Leaves the cluster; one that was started here ends."""
    import ray

    ray.shutdown()


def local_groups(workers: WorkersConfig) -> int:
    """Number of groups that this machine alone would hold without GPUs."""
    if workers.groups != "auto":
        return workers.groups
    return max(1, math.floor(_cores() / (workers.cpus * workers.workers)))


def _capacity(workers: WorkersConfig, resources: dict[str, float], address: str | None) -> Capacity:
    gpus = workers.gpus if workers.gpus != "auto" else float(min(1.0, resources.get("GPU", 0.0)))
    cpus_free = resources.get("CPU", 0.0) - 1
    fits = math.floor(cpus_free / (workers.cpus * workers.workers))
    if gpus:
        fits = min(fits, math.floor(resources.get("GPU", 0.0) / (gpus * workers.workers)))
    groups = fits if workers.groups == "auto" else workers.groups
    if groups < 1 or (workers.groups != "auto" and address is None and fits < groups):
        raise ClusterError(
            f"{max(1, groups)} worker group(s) of {workers.workers} x ({workers.cpus:g} CPU, {gpus:g} GPU) "
            f"do not fit: there are {cpus_free:g} CPU and {resources.get('GPU', 0):g} GPU.",
            hint="Lower workers.groups, workers.workers, workers.cpus or workers.gpus.",
        )
    return Capacity(groups, workers.cpus, gpus, address or "this machine")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
