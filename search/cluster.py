"""The Ray cluster: started here or joined, and how many worker groups it can hold."""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from search.autoscaling import scales, will_have_room
from search.config.schema import WorkersConfig
from search.errors import ClusterError
from search.local_node import few_processes
from search.reach import check_address, check_machine, temporary_folder
from search.redact import redact
from search.scratch import remove_rays
from search.shadows import worker_path
from search.shipping import shipped_code
from search.wording import plural
from trainables.machine import cores

# Ray reads these when it is imported; a user's own settings stay.
_ENVIRONMENT = {
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    # A group for which there is no room waits for it; only processes that die count as failed starts.
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "1000000",
    # A process for each group, for which its starts wait: the dispatcher watches all nodes itself.
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    # Controllers run beside one another in threads of the dispatcher, where they may block, and log nothing.
    "RAY_WARN_BLOCKING_GET_INSIDE_ASYNC": "0",
    "RAY_TRAIN_ENABLE_CONTROLLER_STRUCTURED_LOGGING": "0",
    # Many light actors on few cores is what a warm group is.
    "RAY_DEDUP_LOGS_SKIP_REGEX": "PYTHON worker processes have been started",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_WARN_SLOW_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "1000000000",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # Actors of trials start side by side; the searcher holds back what would be more than the slots.
    "TUNE_MAX_PENDING_TRIALS_PG": "64",
}

# For a cluster that is this machine alone.
_ALONE = {
    # As on Windows and macOS, where Ray has no clusters of several nodes, it listens on 127.0.0.1 alone.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
} | ({"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {})

_LONGEST = 500
_REMOVAL_SECONDS = 3.0
"""How long Ray's processes may still be writing after it has ended."""


@dataclass(frozen=True)
class Capacity:
    """What the search may use.

    Attributes:
        groups: Number of worker groups.
        cpus: CPUs per worker.
        gpus: GPUs per worker.
        address: Where the cluster is; "this machine" where it was started here.
        devices: GPUs of all groups, or their CPU workers where they have none.
        nodes: Nodes of the cluster.
        waiting: Why some of the groups do not start at once; None where all have room.
    """

    groups: int
    cpus: float
    gpus: float
    address: str
    devices: int = 1
    nodes: int = 1
    waiting: str | None = None


def prepare_environment() -> None:
    """Sets what Ray reads at import; call before anything imports it."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def start_ray(workers: WorkersConfig, say: Callable[[str], None] = lambda text: None) -> Capacity:
    """Joins the configured cluster, or starts one on this machine that ends with this process.

    Args:
        workers: As configured.
        say: Called with what is waited for.

    Raises:
        ClusterError: The cluster is away, or too small for one worker group.
    """
    prepare_environment()
    named, address = cluster_address(workers)
    if address is None:
        check_machine()
        for name, value in _ALONE.items():
            os.environ.setdefault(name, value)
    else:
        check_address(address, named)
    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        # One more CPU than there are cores: for the light actors of the trials, which only wait.
        options |= {"address": "local", "num_cpus": cores() + 1, "include_dashboard": False}
        options |= {"job_config": _job_config()}
    else:
        options["address"] = address
    try:
        if address is None:
            _start(options)
        else:
            with shipped_code() as code:
                ray.init(**options, **code)
        _quiet()
    except Exception as error:  # a named boundary: Ray raises its own errors, the system's, and bare ones
        said = " ".join(str(error).split())[:_LONGEST] or type(error).__name__
        if address is None:
            logs = temporary_folder() / "ray" / "session_latest" / "logs"
            raise ClusterError(f"Ray could not be started here: {said}", hint=f"See {logs}.") from error
        raise ClusterError(
            f"The Ray cluster at {redact(address)}, from {named}, could not be joined: {said}",
            hint="Check the address. Without workers.address and RAY_ADDRESS, only this machine is used.",
        ) from error
    return _capacity(workers, _nodes(), None) if address is None else _joined(workers, address, say)


def _start(options: Mapping[str, Any]) -> None:
    """Starts a cluster here. Ray gives its processes 30 s, which may be too little on a very busy machine."""
    import ray

    for last in (False, True):
        try:
            with few_processes():
                ray.init(**options)
            return
        except Exception:  # of any kind, as Ray's are: it is raised the second time
            ray.shutdown()
            if last:
                raise


def _joined(workers: WorkersConfig, address: str, say: Callable[[str], None]) -> Capacity:
    """What a cluster holds, or is to hold once its autoscaler has brought nodes for one group."""

    def brings(gpus: float) -> bool:
        resources = {"CPU": float(workers.cpus)} | ({"GPU": gpus} if gpus else {})
        say(f"asking the cluster's autoscaler for nodes with room for {_needs(workers, gpus)}")
        return will_have_room(workers.workers, resources)

    gpus = _gpus(workers, _nodes())
    brought = workers.gpus == "auto" and not gpus and scales() and brings(1.0)
    gpus = 1.0 if brought else gpus
    if (
        workers.groups == "auto"
        and not _fits(workers, _nodes(), workers.cpus, gpus)
        and (brought or brings(gpus))
    ):
        workers = workers.model_copy(update={"groups": max(1, _fits(workers, _nodes(), workers.cpus, gpus))})
    return _capacity(workers.model_copy(update={"gpus": gpus}), _nodes(), address)


def _job_config() -> Any:
    """What workers of a cluster on this machine begin with; None leaves it to Ray.

    Ray puts the driver's working directory first on their path, where files may have the names of packages.
    """
    from ray.job_config import JobConfig

    path = worker_path()
    if path is None:
        return None

    class OwnPath(JobConfig):  # type: ignore[misc]
        def _runtime_env_has_working_dir(self) -> bool:
            return True  # asked for nothing but whether the working directory is left out

    return OwnPath(_py_driver_sys_path=path)


def _quiet() -> None:
    """Keeps what Ray says of lost processes from standard output, which may be one line of JSON.

    It prints it there as it is, dozens of lines at a time, and has no switch for that. What it means for the
    search is said by those who notice.
    """
    from ray._private import worker

    worker.print_to_stdstream = lambda data, ignore_prefix: None


@dataclass(frozen=True)
class Room:
    """What the nodes that are up hold of a search's groups.

    Attributes:
        there: The groups that have room.
        groups: How many groups there is room for.
        spare: How many workers there would be room for beside the groups.
    """

    there: Capacity
    groups: int
    spare: int


def room_now(workers: WorkersConfig, before: Capacity, groups: int) -> Room:
    """What is there with the nodes that are up now.

    Args:
        workers: As configured.
        before: What there was when the search began.
        groups: How many groups the search has.
    """
    nodes = _nodes()
    # Ray may use the CPU that is kept for the search, which only waits.
    most = _workers_fit(nodes, before.cpus, before.gpus, kept=0)
    up = min(groups, most // workers.workers)
    there = replace(before, groups=up, devices=_devices(up, workers, before.gpus), nodes=len(nodes))
    spare = max(0, most - groups * workers.workers)
    return Room(there, _fits(workers, nodes, before.cpus, before.gpus), spare)


def _nodes() -> list[Mapping[str, float]]:
    """Resources of each node that is up, that of the driver first."""
    import ray

    here = ray.get_runtime_context().get_node_id()
    nodes = sorted((node for node in ray.nodes() if node["Alive"]), key=lambda node: node["NodeID"] != here)
    return [node["Resources"] for node in nodes]


def cluster_address(workers: WorkersConfig) -> tuple[str, str | None]:
    """Where the address of the cluster comes from, and the address; None: one is to be started here."""
    named, address = "workers.address", workers.address
    if address is None:
        named, address = "RAY_ADDRESS in the environment", os.environ.get("RAY_ADDRESS")
    return named, None if address in (None, "", "local") else address


def node_resource() -> str:
    """The resource of which every node has its own, of the node that this process is on."""
    import ray

    here = ray.get_runtime_context().get_node_id()
    names: list[str] = next(list(node["Resources"]) for node in ray.nodes() if node["NodeID"] == here)
    return next(name for name in names if name.startswith("node:") and name != "node:__internal_head__")


def session_folder() -> Path | None:
    """Where the files are of the cluster that this process has started; None where it has started none."""
    if "ray" not in sys.modules:  # stopped before, or while it was imported, which cannot be done again
        return None
    import ray

    node = ray._private.worker._global_node  # no public name says where the files are
    return Path(node.get_session_dir_path()) if node is not None and node.head else None


def stop_ray(keep_files: bool = False) -> None:
    """Leaves the cluster; one that was started here ends.

    Args:
        keep_files: Whether to leave its logs, where it was started here, to whoever looks for an error.
    """
    if "ray" not in sys.modules:
        return
    import ray

    folder = session_folder()
    with _silent_core():
        ray.shutdown()
    deadline = time.monotonic() + _REMOVAL_SECONDS
    while folder is not None and not keep_files and folder.exists() and time.monotonic() < deadline:
        remove_rays(folder)
        time.sleep(0.1)


@contextmanager
def _silent_core() -> Iterator[None]:
    """Keeps from standard error that Ray's core cannot report tasks that end because it shuts down.

    The core writes to the descriptor itself, from a level that all its processes get when they start.
    """
    try:
        kept = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def gpus_by_ray() -> int:
    """GPUs of this machine as Ray counts them, of any make; those that the environment hides left out."""
    prepare_environment()
    from ray._private.accelerators import get_accelerator_manager_for_resource

    manager = get_accelerator_manager_for_resource("GPU")
    visible = manager.get_current_process_visible_accelerator_ids()
    count: int = manager.get_current_node_num_accelerators()
    return count if visible is None else min(count, len(visible))


def local_groups(workers: WorkersConfig) -> int:
    """Number of groups that this machine alone would hold without GPUs."""
    if workers.groups != "auto":
        return workers.groups
    return max(1, math.floor(cores() / (workers.cpus * workers.workers)))


def local_capacity(workers: WorkersConfig, gpus: int) -> Capacity:
    """What a cluster that is started on this machine would hold.

    Args:
        workers: As configured.
        gpus: GPUs of this machine.

    Raises:
        ClusterError: It is too small for one worker group, or for as many as are configured.
    """
    return _capacity(workers, [{"CPU": cores() + 1, "GPU": gpus}], None)


def _capacity(workers: WorkersConfig, nodes: Sequence[Mapping[str, float]], address: str | None) -> Capacity:
    """How many groups fit.

    Args:
        workers: As configured.
        nodes: Resources of each node that is up, that of the driver first: a CPU of it is the search's own.
        address: Of the cluster; None where it was started here.
    """
    gpus = _gpus(workers, nodes)
    fits = _fits(workers, nodes, workers.cpus, gpus)
    groups = fits if workers.groups == "auto" else workers.groups
    # A cluster that scales brings more nodes when more groups ask for them; this machine does not.
    if groups < 1 or (address is None and fits < groups):
        what = f"{plural(max(1, groups), 'worker group')} of {_needs(workers, gpus)}"
        raise ClusterError(
            f"{what} {'do' if groups > 1 else 'does'} not fit: {_there(nodes)}.",
            hint="Lower workers.groups, workers.workers, workers.cpus or workers.gpus.",
        )
    waiting = None
    if fits < groups:
        waiting = (
            f"{fits} of {groups} worker groups have room now, and each needs {_needs(workers, gpus)}: "
            f"{_there(nodes)}. The others wait for more nodes"
        )
    devices, where = _devices(groups, workers, gpus), address or "this machine"
    return Capacity(groups, workers.cpus, gpus, where, devices, max(1, len(nodes)), waiting)


def _needs(workers: WorkersConfig, gpus: float) -> str:
    return f"{workers.workers} x ({workers.cpus:g} CPU, {gpus:g} GPU)"


def _gpus(workers: WorkersConfig, nodes: Sequence[Mapping[str, float]]) -> float:
    """GPUs of a worker; "auto": one where any node that is up has some."""
    if workers.gpus != "auto":
        return workers.gpus
    return 1.0 if any(node.get("GPU", 0.0) > 0 for node in nodes) else 0.0


def _devices(groups: int, workers: WorkersConfig, gpus: float) -> int:
    return math.ceil(groups * workers.workers * (gpus or 1))


def _fits(workers: WorkersConfig, nodes: Sequence[Mapping[str, float]], cpus: float, gpus: float) -> int:
    return _workers_fit(nodes, cpus, gpus, kept=1) // workers.workers


def _workers_fit(nodes: Sequence[Mapping[str, float]], cpus: float, gpus: float, kept: int) -> int:
    """Workers that all nodes hold, where so many CPUs of the first are kept for the search."""
    rooms = [
        dict(node) | {"CPU": node.get("CPU", 0.0) - (0 if number else kept)}
        for number, node in enumerate(nodes)
    ]
    return sum(_workers_on(room, cpus, gpus) for room in rooms)


def _there(nodes: Sequence[Mapping[str, float]]) -> str:
    has = "; ".join(f"{node.get('CPU', 0):g} CPU and {node.get('GPU', 0):g} GPU" for node in nodes)
    have = "the node has" if len(nodes) == 1 else "the nodes have"
    return f"{have} {has}, minus 1 CPU of the first for the search itself"


def _workers_on(node: Mapping[str, float], cpus: float, gpus: float) -> int:
    """Workers that one node holds."""
    fits = math.floor(node.get("CPU", 0.0) / cpus)
    return max(0, min(fits, math.floor(node.get("GPU", 0.0) / gpus)) if gpus else fits)
