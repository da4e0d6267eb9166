"""What all tests share."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.distribution import FilesAndRay, arrange, joins_cluster, workers
from tests.ray_cluster import SharedCluster
from trainables.specs import TRAINABLES

# No test asks the hub unless it serves one itself. The client reads this when it is imported.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

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


_CLUSTER = pytest.StashKey[SharedCluster]()


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedCluster]:
    """A Ray cluster for the searches that are not about how Ray starts and ends."""
    shared = pytestconfig.stash[_CLUSTER] = SharedCluster(tmp_path_factory.mktemp("ray"), installed=PLUGINS)
    yield shared
    shared.end()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Ends the cluster once the next test does not join it: other files follow in this worker."""
    shared = item.config.stash.get(_CLUSTER, None)
    if shared is not None and (nextitem is None or not joins_cluster(nextitem)):
        shared.end()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    arrange(items)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    return workers(with_ray="alone" not in config.option.markexpr)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FilesAndRay:
    return FilesAndRay(config, log)
