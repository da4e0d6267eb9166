"""Whether a cluster's autoscaler brings nodes for a worker group that nothing has room for yet.

No call of Ray says which nodes an autoscaler may add, so it is asked for some. A placement group that waits
is a demand, and ends with the driver, however that ends; `ray.autoscaler.sdk.request_resources` would keep
nodes up after a driver that was killed.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

Bundles: TypeAlias = list[list[Any]]
"""Resources by name, and how many times they are asked for."""

_VERDICT_SECONDS = 30.0
"""An autoscaler looks at demands every 5 s."""
_LOOK_SECONDS, _ANSWER_SECONDS = 0.2, 10
_STARTED_BY_HAND = re.compile(r"(node_[0-9a-f]+)?")
"""Types of nodes that no autoscaler has started."""
_LISTED = "local.cluster.node"
"""The type of all nodes of the provider `local`: machines of a list, which come up whatever is asked for."""


def scales() -> bool:
    """Whether any node that is up has its type from an autoscaler, as `ray up` and KubeRay give it."""
    nodes = _status().cluster_resource_state.node_states
    return any(not _STARTED_BY_HAND.fullmatch(node.ray_node_type_name) for node in nodes)


def will_have_room(workers: int, each: Mapping[str, float]) -> bool:
    """Whether a group has room by now, or the autoscaler brings nodes for it, which it has 30 s to say.

    Args:
        workers: Number of workers of the group.
        each: Resources of each, by the names of Ray.
    """
    import ray

    with _demand(workers, each) as demand:
        seen_from = _status().cluster_resource_state.cluster_resource_state_version
        ready, until = demand.ready(), time.monotonic() + _VERDICT_SECONDS
        while time.monotonic() < until:
            if ray.wait([ready], timeout=_LOOK_SECONDS)[0]:
                return True
            if (said := _said(demand.id.hex(), seen_from, [[dict(each), workers]])) is not None:
                return said
    return False


@contextmanager
def _demand(workers: int, each: Mapping[str, float]) -> Iterator[Any]:
    from ray.util.placement_group import placement_group, remove_placement_group

    demand = placement_group([dict(each)] * workers, strategy="PACK")
    try:
        yield demand
    finally:
        remove_placement_group(demand)


def _said(demand: str, seen_from: int, bundles: Bundles) -> bool | None:
    """Whether the autoscaler meets a demand; None: it has not said so yet.

    Args:
        demand: Its id.
        seen_from: The version of the cluster's state from which on the demand is in it.
        bundles: What is asked for.
    """
    state = _status().autoscaling_state
    if not state.autoscaler_state_version:
        return _said_by_first_version(bundles)
    if state.last_seen_cluster_resource_state_version <= seen_from:
        return None
    return not any(demand in request.details for request in state.infeasible_gang_resource_requests)


def _said_by_first_version(bundles: Bundles) -> bool | None:
    """By what it does: it does not say what it can never bring."""
    from ray._private.ray_constants import DEBUG_AUTOSCALING_STATUS
    from ray.experimental.internal_kv import _internal_kv_get

    status = json.loads(_internal_kv_get(DEBUG_AUTOSCALING_STATUS) or "{}")
    report = status.get("autoscaler_report")
    if report is None:
        return None
    coming = {kind for _, kind, *_ in report["pending_nodes"]}
    if report["pending_launches"] or coming - {_LISTED}:
        return True
    if coming:
        return None
    demands = [group["bundles"] for group, _ in status["load_metrics_report"]["pg_demand"]]
    by_hand = all(map(_STARTED_BY_HAND.fullmatch, report["active_nodes"]))
    return False if bundles in demands or by_hand else None


def _status() -> Any:
    """What the cluster's control service knows of nodes, of demands and of the autoscaler's plans."""
    from ray._private.worker import global_worker
    from ray.core.generated.autoscaler_pb2 import GetClusterStatusReply

    reply = GetClusterStatusReply()
    reply.ParseFromString(global_worker.gcs_client.get_cluster_status(timeout_s=_ANSWER_SECONDS))
    return reply
