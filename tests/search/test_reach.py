"""What keeps Ray from starting or a cluster from being joined is found before Ray is asked, and named."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import grpc
import pytest

from search import reach
from search.cluster import cluster_address, start_ray
from search.config.schema import WorkersConfig
from search.errors import ClusterError
from search.reach import check_address, check_machine


@pytest.fixture
def silent() -> Iterator[str]:
    """A port that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def closed() -> Iterator[str]:
    """A port at which nothing listens, and which nobody else is given meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(reach, "ANSWER_SECONDS", 0.5)


def test_a_cluster_that_is_gone_is_named_with_where_its_address_comes_from(
    closed: str, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ClusterError, match=f"{closed}, from workers.address, .*refused") as caught:
        start_ray(WorkersConfig(address=closed))
    assert "Without workers.address and RAY_ADDRESS" in (caught.value.hint or "")
    monkeypatch.setenv("RAY_ADDRESS", silent)
    with pytest.raises(
        ClusterError, match=f"{silent}, from RAY_ADDRESS in the environment, .*does not answer"
    ):
        start_ray(WorkersConfig())
    with pytest.raises(ClusterError, match=f"{silent}, .*does not answer"):
        start_ray(WorkersConfig(address="auto"))


@pytest.mark.parametrize(
    ("address", "part"),
    [
        ("no-such-host.invalid:6379", "no host no-such-host.invalid"),
        ("localhost", "not an address: write host:port"),
        ("http://localhost:8265", "not an address: write host:port"),
        ("localhost:ray", "not an address"),
        ("localhost:99999", "not an address"),
    ],
)
def test_what_is_no_address_is_named(address: str, part: str) -> None:
    with pytest.raises(ClusterError, match=part):
        check_address(address, "workers.address")


def test_a_note_of_a_cluster_that_was_killed_is_found_out(
    closed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    check_address("auto", "workers.address")  # nothing is noted: Ray's own search answers at once
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(closed + "\n")
    monkeypatch.setenv("RAY_ADDRESS", "auto")  # as if it were not there
    with pytest.raises(ClusterError, match=closed):
        check_address("auto", "workers.address")


def test_a_server_that_answers_is_let_through() -> None:
    server = grpc.server(futures.ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        check_address(f"127.0.0.1:{port}", "workers.address")
        check_address(f"ray://localhost:{port}", "workers.address")
    finally:
        server.stop(None)


def test_this_machine_alone_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cluster_address(WorkersConfig())[1] is None
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.5:6379")
    assert cluster_address(WorkersConfig()) == ("RAY_ADDRESS in the environment", "10.0.0.5:6379")
    assert cluster_address(WorkersConfig(address="local"))[1] is None


def test_a_folder_in_which_ray_cannot_keep_its_files_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_TMPDIR", "/tmp/" + "long" * 20)
    with pytest.raises(ClusterError, match=r"RAY_TMPDIR\): its path has 85 bytes"):
        start_ray(WorkersConfig())
    file = Path("/tmp", f"tightrope-test-{os.getpid()}")
    file.write_text("a file")
    try:
        monkeypatch.setenv("RAY_TMPDIR", str(file))
        with pytest.raises(ClusterError, match="Not a directory"):
            check_machine()
        monkeypatch.delenv("RAY_TMPDIR")
        monkeypatch.setenv("TMPDIR", "/proc")
        with pytest.raises(ClusterError, match=r"/proc \(TMPDIR\)"):
            check_machine()
    finally:
        file.unlink()
    monkeypatch.delenv("TMPDIR")
    check_machine()
