"""Storage refuses in the middle of a search, which waits for it or ends, says so, and loses nothing."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from search.record import RungReached, SearchState, read_events
from tests.disks import immutable, small_disk
from tests.searches import (
    assert_every_trial_finished_once,
    assert_mlflow_holds,
    count,
    events_so_far,
    finish,
    small_space,
    start,
)
from tests.servers import wait_for

pytestmark = [pytest.mark.integration, pytest.mark.faults, pytest.mark.alone]

TRIALS = 3
FULL_SECONDS = 5.0


def test_a_search_waits_for_space_and_goes_on(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 48) as disk:
        folder = disk.folder / "runs" / "demo"
        words = [
            "space=demo",
            f"trials={TRIALS}",
            "budget.steps=9",
            f"out={folder.parent}",
            "workers.groups=1",
        ]
        process = start(*words, "workers.slots=2", "confirm.candidates=0")
        printed: list[str] = []
        assert process.stdout is not None
        reader = threading.Thread(target=lambda: printed.extend(process.stdout or ()))
        reader.start()
        try:
            wait_for(
                lambda: count(events_so_far(folder), RungReached) >= 1 or process.poll() is not None, 600
            )
            assert process.poll() is None, "".join(printed)
            disk.fill()
            wait_for(lambda: any("waiting for storage" in line for line in printed), 240)
            time.sleep(FULL_SECONDS)
            assert process.poll() is None, "".join(printed)
            recorded = len(read_events(folder))
            disk.free()
            reader.join(600)
        finally:
            process.kill()
        code, _ = finish(process)
        output = "".join(printed)
        assert code == 0, output
        assert "No space left on device" in output
        assert "crashed" not in output
        events = read_events(folder)
        assert len(events) > recorded
        assert_every_trial_finished_once(events, TRIALS)
        assert not [trial for trial in SearchState.from_events(events).trials.values() if trial.failures]
        assert_mlflow_holds(f"sqlite:///{folder.parent / 'mlflow.db'}", SearchState.from_events(events))


@pytest.mark.long
def test_a_record_that_cannot_be_written_ends_the_search_and_the_same_command_goes_on(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(small_space(6))
    folder = tmp_path / "runs" / "demo"
    words = [f"space={tmp_path / 'space.yaml'}", "name=demo", f"out={folder.parent}"]
    process = start(*words)
    wait_for(lambda: count(events_so_far(folder), RungReached) >= 1 or process.poll() is not None, 600)
    with immutable(folder / "events.jsonl"):
        recorded = read_events(folder)
        code, output = finish(process, 200)
        assert read_events(folder) == recorded
    assert code == 1, output
    assert "events.jsonl cannot be written (Operation not permitted)" in output
    assert "the same command resumes the search" in output
    assert "Ray failed" not in output
    assert "Traceback" not in output
    code, output = finish(start(*words))
    assert code == 0, output
    assert_every_trial_finished_once(read_events(folder), 6)
