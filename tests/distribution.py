"""How the tests are shared out between the workers of pytest-xdist.

A machine holds one Ray cluster at a time, so all tests that start one go to one worker. They wait more than they
compute, are the longest chain, and begin first, beside all other tests, of which a worker gets one file at a time.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from xdist.scheduler import LoadGroupScheduling

RAY = "ray"
"""The group of the tests that start a Ray cluster."""

LONG_FILES = (
    "trainables/test_families.py",
    "benchmarks/test_gpu.py",
    "trainables/test_workers.py",
    "faults/test_tracking_server.py",
    "trainables/test_nf4.py",
    "trainables/test_server.py",
    "benchmarks/test_packing.py",
    "trainables/test_pack_exact.py",
    "test_plugins.py",
    "analysis/test_report.py",
    "search/test_routed_search.py",
    "search/test_belief_search.py",
    "trainables/test_trainables_conformance.py",
    "search/test_searchers_models.py",
)
"""Files of this folder that take longest, which begin first: none is to be left to one worker at the end."""


def starts_ray(item: pytest.Item) -> bool:
    """Whether no other test on this machine may start a Ray cluster meanwhile."""
    return any(item.get_closest_marker(name) is not None for name in ("alone", "cluster"))


def joins_cluster(item: pytest.Item) -> bool:
    """Whether searches of this test join the cluster that tests share."""
    return "cluster" in getattr(item, "fixturenames", ())


def arrange(items: list[pytest.Item]) -> None:
    """Puts the group of Ray first, in it those that start Ray themselves, and then the long files."""
    ranks = {Path(__file__).parent / name: rank for rank, name in enumerate(LONG_FILES)}
    for item in items:
        if starts_ray(item):
            item.add_marker(pytest.mark.xdist_group(RAY))
    items.sort(
        key=lambda item: (not starts_ray(item), joins_cluster(item), ranks.get(item.path, len(ranks)))
    )


def workers() -> int:
    """One worker more than there are cores, for that of Ray waits much; more than 9 would have little to do."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores + 1, 9)


def may_start_ray() -> bool:
    """Whether the test that runs is the only one that starts Ray: it is in the group, or no test runs beside it."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").partition(" ")[0]
    return "PYTEST_XDIST_WORKER" not in os.environ or test.endswith(f"@{RAY}")


class GroupOrFile(LoadGroupScheduling):
    """A unit of work is the group of Ray, or all other tests of a file, which share what they build."""

    def _split_scope(self, nodeid: str) -> str:
        group: str = super()._split_scope(nodeid)
        return group.partition("::")[0]
