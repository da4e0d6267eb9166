"""How many worker groups a cluster holds."""

from __future__ import annotations

import pytest

from search.cluster import _capacity
from search.config.schema import WorkersConfig
from search.errors import ClusterError


def test_groups_fill_the_cores_but_for_one_cpu_of_the_drivers_node() -> None:
    assert _capacity(WorkersConfig(), [{"CPU": 3.0}], None).groups == 2
    assert _capacity(WorkersConfig(), [{}, {"CPU": 1.0}, {"CPU": 1.0}], "somewhere").groups == 2


def test_workers_are_counted_by_node_not_over_the_cluster() -> None:
    nodes = [{"CPU": 4.0}, {"CPU": 3.0}]
    with pytest.raises(ClusterError, match="does not fit: the nodes have"):
        _capacity(WorkersConfig(cpus=6), nodes, "somewhere")
    assert _capacity(WorkersConfig(cpus=3), nodes, "somewhere").groups == 2
    assert _capacity(WorkersConfig(cpus=3, workers=2), nodes, "somewhere").groups == 1


def test_gpus_are_used_where_there_are_any_and_only_on_their_nodes() -> None:
    nodes = [{"CPU": 64.0}, {"CPU": 9.0, "GPU": 4.0}, {"CPU": 9.0, "GPU": 2.0}]
    capacity = _capacity(WorkersConfig(), nodes, "somewhere")
    assert (capacity.groups, capacity.gpus) == (6, 1.0)
    assert _capacity(WorkersConfig(gpus=0), nodes, "somewhere").gpus == 0


def test_a_cluster_that_scales_may_be_asked_for_more_than_it_has() -> None:
    nodes = [{"CPU": 3.0}, {"CPU": 1.0}]
    capacity = _capacity(WorkersConfig(groups=9), nodes, "somewhere")
    assert capacity.groups == 9
    assert "3 of 9 worker groups have room" in (capacity.waiting or "")
    assert _capacity(WorkersConfig(groups=3), nodes, "somewhere").waiting is None
    with pytest.raises(ClusterError, match=r"9 worker groups of .* do not fit: the node has"):
        _capacity(WorkersConfig(groups=9), [{"CPU": 3.0}], None)
