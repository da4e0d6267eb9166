"""A search goes on while its MLflow server, its tracking process or its driver is killed."""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from search.config.schema import TrackingConfig
from search.record import RecordWriter, SearchEnded
from search.tracking import Tracker
from search.tracking.follower import process_exists
from search.tracking.process import tracking_environment
from tests.mlflow_runs import RecordBuilder, client_of, held
from tests.mlflow_server import Server
from tests.servers import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.faults, pytest.mark.timeout(300)]

PACE_SECONDS = 0.05
AWAY_SECONDS = 2.0


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in tracking_environment({}).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    try:
        yield server
    finally:
        server.kill()


class LiveRecord(RecordBuilder):
    """Writes each event as a driver does, at a pace, and notes how long that took."""

    def __init__(self, name: str, writer: RecordWriter) -> None:
        super().__init__(name)
        self._writer = writer
        self.seconds: list[float] = []

    def add(self, *args: Any, **fields: Any) -> Any:
        event = super().add(*args, **fields)
        begin = time.monotonic()
        self._writer.append(event)
        self.seconds.append(time.monotonic() - begin)
        time.sleep(PACE_SECONDS)
        return event

    def trial(self, number: int) -> None:
        self.propose(number, {"lr": 1e-4 * (number + 1), "rank": 8})
        for rung in range(3):
            metrics = {"train_loss": 3.0 - rung + number / 100, "retention": 1.0 - number / 100}
            self.rung(number, rung, metrics, curve=[(10 * 3**rung, 3.0 - rung)])
            self.decide(number, rung)
        self.finish(number, "completed" if number % 2 else "stopped")


def test_a_server_killed_and_brought_back_holds_exactly_the_record(server: Server, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    folder = out / "one"
    tracker = Tracker(folder, TrackingConfig(uri=server.uri))
    client = MlflowClient(server.uri)
    try:
        with RecordWriter(folder) as writer:
            record = LiveRecord("one", writer)
            record.start()
            record.session()
            tracker.start()
            trials = iter(range(1000))

            def search_for(seconds: float) -> float:
                """Goes on with the search; returns the median time of an append."""
                first, end = len(record.seconds), time.monotonic() + seconds
                while time.monotonic() < end:
                    record.trial(next(trials))
                return statistics.median(record.seconds[first:])

            wait_for(lambda: client.get_experiment_by_name("tightrope") is not None, 60)
            with_server = search_for(1.0)
            server.kill()
            without_server = search_for(AWAY_SECONDS)
            server.start()
            search_for(1.0)
            (folder / "summary.md").write_text("# Summary")
            record.add(SearchEnded, reason="finished")
        begin = time.monotonic()
        assert tracker.finish(timeout=120) is None, (folder / "tracking.log").read_text()
        caught_up = time.monotonic() - begin
    finally:
        tracker.stop()
    runs = held(client)
    count = next(trials)
    print(f"{count} trials; caught up {caught_up:.1f} s after the end of the search")
    print(f"median append: {with_server:.4f} s with the server, {without_server:.4f} s without")
    assert without_server < 3 * with_server + 0.05
    assert set(runs) == {"one"} | {f"trial-{number:04d}" for number in range(count)}
    assert "RUNNING" not in {run.status for run in runs.values()}
    for number in range(count):
        run = runs[f"trial-{number:04d}"]
        assert run.status == "FINISHED"
        assert run.tags["tightrope.status"] == ("completed" if number % 2 else "stopped")
        losses = [(10 * 3**rung, repr(3.0 - rung + number / 100)) for rung in range(3)]
        assert [(step, value) for step, _, value in run.history["train_loss"]] == losses
    assert [f.path for f in client.list_artifacts(parent_id(client), None)] == ["events.jsonl", "summary.md"]
    # Rebuilding from the record, into another store, gives the same.
    project_by_hand(folder, TrackingConfig())
    assert held(client_of(out)) == runs


def parent_id(client: MlflowClient) -> str:
    experiment = client.get_experiment_by_name("tightrope")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "attributes.run_name = 'one'")
    return str(runs[0].info.run_id)


def project_by_hand(folder: Path, config: TrackingConfig) -> None:
    environment = tracking_environment(os.environ, config)
    subprocess.run([sys.executable, "-m", "search.tracking", str(folder)], env=environment, check=True)


DRIVER = """
import sys, time
from pathlib import Path
from search.config.schema import TrackingConfig
from search.record import RecordWriter, SearchEnded
from search.tracking import Tracker
from tests.faults.test_tracking_server import LiveRecord

folder, uri = Path(sys.argv[1]), sys.argv[2] or None
with RecordWriter(folder) as writer:
    record = LiveRecord(folder.name, writer)
    record.start()
    record.session()
    tracker = Tracker(folder, TrackingConfig(uri=uri))
    tracker.start()
    record.trial(0)
    record.propose(1, {"lr": 0.1})
    print(tracker._process.pid, flush=True)
    time.sleep(600)
"""


def kill_driver(folder: Path, uri: str, ready: Callable[[], bool]) -> None:
    """Runs a driver, kills it once `ready`, and waits for its tracking process to end by itself."""
    command = [sys.executable, "-c", DRIVER, str(folder), uri]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        follower = int(driver.stdout.readline())
        try:
            wait_for(ready, 60)
        finally:
            driver.kill()
    try:
        wait_for(lambda: not process_exists(follower), 60)
    finally:
        if process_exists(follower):
            os.kill(follower, signal.SIGKILL)


def test_the_follower_of_a_killed_driver_ends_and_leaves_no_run_running(tmp_path: Path) -> None:
    client = client_of(tmp_path)
    client.search_experiments()
    kill_driver(tmp_path / "one", "", lambda: "trial-0001" in held(client))
    runs = held(client)
    assert {name: run.status for name, run in runs.items()} == {
        "one": "KILLED",
        "trial-0000": "FINISHED",
        "trial-0001": "KILLED",
    }
    assert runs["trial-0000"].tags["tightrope.status"] == "stopped"
    assert runs["trial-0001"].tags["tightrope.status"] == "unfinished"


def test_the_follower_of_a_killed_driver_ends_though_the_server_is_away(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        folder = tmp_path / "one"
        uri = f"http://user:hunter2@127.0.0.1:{taken.getsockname()[1]}"
        kill_driver(folder, uri, lambda: "cannot be written" in (folder / "tracking.log").read_text())
        log = (folder / "tracking.log").read_text()
    assert "hunter2" not in log
    assert "Traceback" not in log
