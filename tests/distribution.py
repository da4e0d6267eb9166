"""How the tests are shared out between the workers of pytest-xdist.

A machine holds one Ray cluster at a time, so all tests that start one go to one worker. They are the longest
chain, wait more than they compute, and begin first. Beside them, the other workers take the other files.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

LONG_FILES = (
    "trainables/test_families.py",
    "trainables/test_trainables_conformance.py",
    "benchmarks/test_gpu.py",
    "trainables/test_workers.py",
    "search/test_routed_search.py",
    "faults/test_tracking_server.py",
    "trainables/test_server.py",
    "analysis/test_report.py",
    "search/test_belief_search.py",
    "trainables/test_nf4.py",
    "search/test_searchers_models.py",
    "test_plugins.py",
    "trainables/test_pack_exact.py",
)
"""Files of this folder that take longest, which begin first: none is to be left to one worker at the end."""


@cache
def starts_ray(file: Path) -> bool:
    """Whether a test of the file has a mark by which no other on this machine may start Ray meanwhile.

    It is read, because only names of tests are known where they are shared out.
    """
    return re.search(r"pytest\.mark\.(alone|cluster)\b", file.read_text(encoding="utf-8")) is not None


def joins_cluster(item: pytest.Item) -> bool:
    """Whether searches of this test join the cluster that tests share."""
    return "cluster" in getattr(item, "fixturenames", ())


def arrange(items: list[pytest.Item]) -> None:
    """Puts files that start Ray first, in them tests that start it themselves, and then the long files."""
    ranks = {Path(__file__).parent / name: rank for rank, name in enumerate(LONG_FILES)}
    items.sort(
        key=lambda item: (
            not starts_ray(item.path),
            joins_cluster(item),
            ranks.get(item.path, len(ranks)),
        )
    )


def workers(with_ray: bool) -> int:
    """One for each core, and one for tests that start Ray, which mostly wait; 8 have enough to do.

    Args:
        with_ray: Whether such tests are selected.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores + with_ray, 8)


def may_start_ray() -> bool:
    """Whether no test starts Ray beside the one that runs."""
    file = os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[0]
    return "PYTEST_XDIST_WORKER" not in os.environ or starts_ray(Path(__file__).parents[1] / file)


class FilesAndRay(LoadFileScheduling):
    """Gives a worker all tests that start Ray, or those of another file, which share what they build."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # files begin in the order that `arrange` has put them into
        self._root = config.rootpath

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "ray" if starts_ray(self._root / file) else file
