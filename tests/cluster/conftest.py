"""The cluster that the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.hosts import missing
from tests.cluster.ray_up import RayUp


@pytest.fixture(scope="package")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayUp]:
    """A laptop, a head and two workers, on which `ray up` has brought a cluster up."""
    if (reason := missing()) is not None:
        pytest.skip(reason)
    cluster = RayUp(tmp_path_factory.mktemp("hosts"))
    try:
        cluster.up()
        yield cluster
    finally:
        cluster.end()
