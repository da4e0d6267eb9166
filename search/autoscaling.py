"""Whether a cluster's autoscaler brings nodes for worker groups that nothing has room for yet.

No call of Ray says which nodes an autoscaler may add, so it is asked for some. A placement group that waits
is a demand, and ends with the driver, however that ends; `ray.autoscaler.sdk.request_resources` would keep
nodes up after a driver that was killed.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any, TypeAlias

Bundles: TypeAlias = list[list[Any]]
"""Resources by name, and how many times they are asked for."""

_VERDICT_SECONDS = 30.0
"""An autoscaler looks at demands every 5 s."""
_LOOK_SECONDS, _ANSWER_SECONDS = 0.2, 10
_AGAIN_SECONDS = 600.0
"""After a refusal, which may be for a shortage that ends."""
_AT_ONCE = 8
"""Groups that are asked for at the same time: nodes take minutes to come."""
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

    demand, until = _Demand(workers, each), time.monotonic() + _VERDICT_SECONDS
    try:
        while time.monotonic() < until:
            if ray.wait([demand.ready], timeout=_LOOK_SECONDS)[0]:
                return True
            if (said := demand.said()) is not None:
                return said
    finally:
        demand.take_back()
    return False


class Extension:
    """Asks the autoscaler for nodes for more groups, as long as they are wanted.

    A demand that has room is taken back at once, for a group to have it. Groups that are lost wait for nodes
    by themselves.

    Args:
        workers: Number of workers of a group.
        each: Resources of each, by the names of Ray.
    """

    def __init__(self, workers: int, each: Mapping[str, float]) -> None:
        self._workers, self._each = workers, dict(each)
        self._demands: list[_Demand] = []
        self._scales: bool | None = None
        self._ask_at = 0.0

    def want(self, groups: int, spare: int = 0) -> None:
        """Has so many groups be asked for, a few at a time; to be called often.

        Args:
            groups: How many.
            spare: Workers that the cluster would hold beside the groups that are there. A demand has to be
                larger by them, or it would be met by what groups do not use.
        """
        from ray.exceptions import RayError

        try:
            self._want(min(groups, 1 if spare else _AT_ONCE), self._workers + spare)
        except RayError:  # the cluster cannot be asked just now
            return

    def _want(self, groups: int, workers: int) -> None:
        import ray

        if self._scales is None:
            self._scales = scales()
        for demand in list(self._demands):
            if ray.wait([demand.ready], timeout=0)[0] or demand.workers != workers:
                self._drop(demand)
            elif demand.said() is False:
                self._ask_at = time.monotonic() + _AGAIN_SECONDS
                self._drop(demand)
        for demand in self._demands[groups:]:
            self._drop(demand)
        while self._scales and time.monotonic() >= self._ask_at and len(self._demands) < groups:
            self._demands.append(_Demand(workers, self._each))

    def _drop(self, demand: _Demand) -> None:
        self._demands.remove(demand)
        demand.take_back()


class _Demand:
    """Something that waits for room, which is a demand on the autoscaler.

    Args:
        workers: How many.
        each: Resources of each.
    """

    def __init__(self, workers: int, each: Mapping[str, float]) -> None:
        from ray.util.placement_group import placement_group

        self.workers, self._each = workers, dict(each)
        self._group = placement_group([self._each] * workers, strategy="PACK")
        self._seen_from: int | None = None
        self.ready = self._group.ready()

    def said(self) -> bool | None:
        """Whether the autoscaler meets it; None: it has not said so yet."""
        if self._seen_from is None:
            self._seen_from = _status().cluster_resource_state.cluster_resource_state_version
        return _said(self._group.id.hex(), self._seen_from, [[self._each, self.workers]])

    def take_back(self) -> None:
        """It does not wait any more, and gives back what it has."""
        from ray.util.placement_group import remove_placement_group

        remove_placement_group(self._group)


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
