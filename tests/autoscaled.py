"""Searches on a cluster whose head has no room, and to which Ray's autoscaler brings nodes of this machine.

    python -m tests.autoscaled FOLDER

Prints what was seen as JSON. It is to be run among no other processes, as Ray's own tests of autoscaling end
every cluster of the machine.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil

from search.cluster import prepare_environment

prepare_environment()

import ray  # noqa: E402 - it reads its environment when it is imported
from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID  # noqa: E402
from ray.cluster_utils import AutoscalingCluster  # noqa: E402

from search.autoscaling import _status  # noqa: E402
from search.cluster import _joined  # noqa: E402
from search.config.schema import WorkersConfig  # noqa: E402
from search.errors import ClusterError  # noqa: E402
from search.record import Failed, RungReached, SlotsChosen  # noqa: E402
from tests.searches import ROOT, events_so_far, small_space  # noqa: E402
from tests.servers import wait_for  # noqa: E402

RUN = """
import sys
from contextlib import nullcontext
from search import cluster, run
cluster.shipped_code = lambda: nullcontext({})
sys.exit(run.main(sys.argv[1:]))
"""
"""The nodes have the code; on one machine, all would unpack what is sent into the same folder at once."""
HEAD = "ray.head.default"
TYPES: dict[str, dict[str, Any]] = {
    "worker": {"resources": {"CPU": 2}, "node_config": {}, "min_workers": 0, "max_workers": 2},
    "gpu": {"resources": {"CPU": 1, "GPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": 1},
}


class Cluster(AutoscalingCluster):  # type: ignore[misc]  # Ray has no types here
    """As its base class, without the files that Ray's packages lack."""

    def _generate_config(
        self, head_resources: dict[str, Any], worker_node_types: dict[str, Any], **_: Any
    ) -> dict[str, Any]:
        head = {"resources": dict(head_resources), "node_config": {}, "max_workers": 0}
        commands = (
            "initialization",
            "setup",
            "head_setup",
            "worker_setup",
            "head_start_ray",
            "worker_start_ray",
        )
        return {
            "cluster_name": "fake",
            "max_workers": 3,
            "idle_timeout_minutes": 60,
            "provider": {
                "type": "external",
                "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
                "head_node_id": FAKE_HEAD_NODE_ID,
                "launch_multiple": True,
                "use_node_id_as_ip": True,
                "disable_node_updaters": True,
                "disable_launch_config_check": True,
            },
            "auth": {},
            "available_node_types": worker_node_types | {HEAD: head},
            "head_node_type": HEAD,
            "file_mounts": {},
            "cluster_synced_files": [],
            "file_mounts_sync_continuously": False,
            "rsync_exclude": [],
            "rsync_filter": [],
        } | {f"{name}_commands": [] for name in commands}


def start_search(folder: Path, name: str, *words: str) -> subprocess.Popen[str]:
    """Starts a search in its own process; what it prints goes to a file of its name."""
    (folder / "space.yaml").write_text(small_space(60, budget={"steps": 600, "rungs": 4}))
    fixed = [f"space={folder / 'space.yaml'}", f"name={name}", f"out={folder}", "workers.address=auto"]
    fixed += ["workers.slots=1", "report=false", "tracking.enabled=false"]
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *fixed, *words],
        cwd=ROOT,
        stdout=(folder / f"{name}.log").open("w"),
        stderr=subprocess.STDOUT,
        text=True,
    )


def groups_of(folder: Path) -> set[str | None]:
    """The groups that have trained."""
    return {event.group for event in events_so_far(folder) if isinstance(event, RungReached)}


def chosen(folder: Path) -> list[SlotsChosen]:
    """What was there, whenever it has changed."""
    return [event for event in events_so_far(folder) if isinstance(event, SlotsChosen)]


def lose_node() -> None:
    """Kills the process of a node that is not the head."""
    raylets = [process for process in psutil.process_iter() if process.name() == "raylet"]
    next(process for process in raylets if "--head" not in process.cmdline()).kill()


def demands() -> int:
    """What the autoscaler is asked for at the moment."""
    state = _status().cluster_resource_state
    asked = [each for each in state.cluster_resource_constraints if each.resource_requests]
    return len(state.pending_gang_resource_requests) + len(state.pending_resource_requests) + len(asked)


def nodes() -> int:
    """Nodes that are up."""
    return sum(node["Alive"] for node in ray.nodes())


def wait_and_be_killed(folder: Path) -> dict[str, Any]:
    """A search waits for nodes that cannot come, as it was given a number of groups; it is killed."""
    search = start_search(folder, "waiting", "workers.gpus=2", "workers.groups=1")
    log = folder / "waiting.log"
    wait_for(lambda: "waiting since" in log.read_text() and demands() == 1, 60)
    search.kill()
    search.wait()
    wait_for(lambda: demands() == 0, 30)
    return {"said": log.read_text()}


def refused() -> str:
    """What is said of a group that no node has room for."""
    try:
        _joined(WorkersConfig(cpus=64, gpus=0), "here", lambda text: None)
    except ClusterError as error:
        return str(error)
    return ""


def grow(folder: Path) -> dict[str, Any]:
    """A search begins on a head without room; nodes come as long as the autoscaler has some; one is lost."""
    before, most = nodes(), 1 + TYPES["worker"]["max_workers"]
    search = start_search(folder, "growing", "workers.gpus=0", "workers.cpus=2", "workers.groups=auto")
    record = folder / "growing"

    def until(holds: Callable[[], bool]) -> None:
        def checked() -> bool:
            assert search.poll() is None or holds(), (folder / "growing.log").read_text()
            return holds()

        wait_for(checked, 120)

    until(lambda: {"group-0", "group-1"} <= groups_of(record))
    until(lambda: chosen(record)[-1].nodes == nodes() == most)
    lost = [event.message for event in events_so_far(record) if isinstance(event, Failed)]
    lose_node()  # with actors of trials, as all nodes here have the address of the driver's
    until(lambda: chosen(record)[-1].nodes < most)
    search.send_signal(signal.SIGINT)
    code = search.wait(100)
    wait_for(lambda: demands() == 0, 30)
    return {
        "code": code,
        "nodes": [before, most],
        "recorded": [(event.nodes, event.groups, event.devices) for event in chosen(record)],
        "lost": lost,
        "said": (folder / "growing.log").read_text(),
    }


def main(folder: Path) -> None:
    """Brings the cluster up, runs the searches, and prints what was seen."""
    cluster = Cluster({"CPU": 0}, TYPES, autoscaler_v2=True)
    cluster.start(override_env={"RAY_NODE_TYPE_NAME": HEAD})
    ray.init("auto", log_to_driver=False)
    seen = {"refused": refused(), "growing": grow(folder), "waiting": wait_and_be_killed(folder)}
    said: list[str] = []
    seen["gpus"] = {"capacity": asdict(_joined(WorkersConfig(), "here", said.append)), "said": said}
    wait_for(lambda: demands() == 0, 30)
    print(json.dumps(seen), flush=True)
    os._exit(0)  # the namespace takes all other processes along


if __name__ == "__main__":
    main(Path(sys.argv[1]))
