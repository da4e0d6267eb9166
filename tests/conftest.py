"""What all tests share."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.ray_cluster import SharedCluster
from trainables.specs import TRAINABLES

# How long an example takes says how busy the machine is. In CI Hypothesis chooses its own profile.
if not os.environ.get("CI"):
    settings.register_profile("patient", deadline=None)
    settings.load_profile("patient")

# Importing the libraries makes near a million objects that live until the end. Looking through them for
# garbage again and again took a tenth of the time of the unit tests.
gc.disable()


def pytest_collection_finish() -> None:
    """Leaves what was imported out of all further collections of garbage, which are made less often."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


PLUGINS = Path(__file__).parent / "plugins"


@pytest.fixture(scope="module")
def plugins() -> Iterator[None]:
    """The trainables of tests/plugins are installed, here and in processes that are started."""
    with pytest.MonkeyPatch.context() as patch:
        path = os.pathsep.join([str(PLUGINS), *filter(None, [os.environ.get("PYTHONPATH")])])
        patch.setenv("PYTHONPATH", path)
        patch.syspath_prepend(str(PLUGINS))
        for name in [name for name in sys.modules if name.partition(".")[0] == "soft_prompt"]:
            patch.delitem(sys.modules, name)
        for kind in ("_entries", "_lines"):
            patch.setattr(TRAINABLES, kind, dict(getattr(TRAINABLES, kind)))
        patch.setattr(TRAINABLES, "_plugins", "tightrope.trainables")
        yield


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedCluster]:
    """A Ray cluster for the searches that are not about how Ray starts and ends."""
    shared = SharedCluster(tmp_path_factory.mktemp("ray"), installed=PLUGINS)
    yield shared
    shared.end()


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts long files first, and searches that start Ray themselves before those that share a cluster."""
    ranks = {Path(__file__).parent / name: rank for rank, name in enumerate(LONG_FILES)}
    items.sort(
        key=lambda item: (
            "cluster" in getattr(item, "fixturenames", ()),
            ranks.get(item.path, len(ranks)),
        )
    )
