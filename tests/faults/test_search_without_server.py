"""A real search whose MLflow server is killed and comes back."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from search.record import RungReached, SearchState, read_events
from tests.mlflow_server import Server, wait_for
from tests.searches import assert_every_trial_finished_once, assert_mlflow_holds, count, finish, start

pytestmark = [pytest.mark.integration, pytest.mark.faults, pytest.mark.alone]

AWAY_SECONDS = 20.0
TRIALS = 10


def test_it_goes_on_while_the_server_is_away_and_mlflow_catches_up(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()
    folder = tmp_path / "runs" / "demo"
    words = ["space=demo", f"trials={TRIALS}", f"out={folder.parent}", f"tracking.uri={server.uri}"]
    process = start(*words)
    try:
        wait_for(lambda: count(read_events(folder), RungReached) >= 1, 240)
        server.kill()
        away = time.time()
        time.sleep(AWAY_SECONDS)
        server.start()
        back = time.time()
        code, output = finish(process)
    finally:
        process.kill()
    try:
        assert code == 0, output
        events = read_events(folder)
        meanwhile = [event for event in events if isinstance(event, RungReached) and away < event.time < back]
        assert len(meanwhile) > 2, "trials went on while the server was away"
        assert_every_trial_finished_once(events, TRIALS)
        assert_mlflow_holds(server.uri, SearchState.from_events(events))
    finally:
        server.kill()
