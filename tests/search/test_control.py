"""A search is steered from another terminal, by every verb, while it trains and while it does not run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from search.record import (
    RequestAnswered,
    RungReached,
    SearchState,
    SlotsChosen,
    TrialProposed,
    read_events,
)
from search.requests import waiting
from tests.ray_cluster import SharedCluster
from tests.searches import finish, small_space, start
from tests.servers import wait_for
from tightrope.control import main

pytestmark = [pytest.mark.integration, pytest.mark.alone]

LONG = 20_000
"""Epochs of a trial that does not reach a rung within this test."""
SPACE = small_space(
    3,
    budget={"steps": "trial", "rungs": 2},
    parameters={"epochs": {"type": "int", "low": 6, "high": LONG}},
    points=[{"epochs": LONG}, {"epochs": 12}, {"epochs": LONG}],
    fixed={"examples": 8, "lr": 1e-3, "rank": 4, "batch_size": 4, "warmup": 2},
    workers={"groups": 1, "slots": 1},
)


def test_every_verb(tmp_path: Path, cluster: SharedCluster, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "space.yaml").write_text(SPACE)
    folder = tmp_path / "runs" / "steered"
    words = [f"space={tmp_path / 'space.yaml'}", "name=steered", f"out={folder.parent}"]
    words.append("tracking.enabled=false")

    def tell(*given: str) -> tuple[int, str]:
        code = main([*given[:1], "steered", *given[1:], f"out={folder.parent}"])
        said = capfd.readouterr()
        return code, said.out + said.err

    def has(kind: type, trial: int | None = None) -> Callable[[], bool]:
        def look() -> bool:
            assert process.poll() is None, "the search has ended"
            events = [event for event in read_events(folder) if isinstance(event, kind)]
            return any(trial is None or event.trial == trial for event in events)

        return look

    process = start(*words, cluster=cluster)
    wait_for(has(SlotsChosen), 600)
    wait_for(has(TrialProposed, 0), 600)
    assert tell("stop", "0")[0] == 0
    assert tell("pause", "1")[0] in (0, 2)  # it may not have begun
    wait_for(has(TrialProposed, 1), 600)
    if 1 not in SearchState.from_events(read_events(folder)).held:
        tell("pause", "1")
    wait_for(has(RungReached, 1), 600)  # within a moment: the workers have given up the other one
    wait_for(has(TrialProposed, 2), 600)
    code, output = tell("clone", "2", "epochs=6")
    assert code == 0, output
    assert "trial 3 is a clone of trial 2" in output.lower()
    code, output = tell("stop")
    assert code == 0, output
    assert f"python -m search.run {' '.join(words)}" in output
    code, output = finish(process)
    assert code == 130, output
    before = read_events(folder)

    assert tell("stop")[0] == 1, "it does not run"
    assert tell("pause", "0")[0] == 1, "that trial has ended"
    assert tell("clone", "1", "rank=8")[0] == 2, "no searched parameter"
    assert tell("resume", "7")[0] == 2, "no such trial"
    assert tell("resume", "1")[0] == 0
    assert tell("stop", "2")[0] == 0
    assert len(waiting(folder)) == 2

    code, output = finish(start(*words, cluster=cluster))
    assert code == 0, output
    events = read_events(folder)
    assert events[: len(before)] == before
    assert waiting(folder) == []
    answers = [event for event in events if isinstance(event, RequestAnswered)]
    assert [(each.verb, each.trial) for each in answers if each.accepted] == [
        ("stop", 0), ("pause", 1), ("clone", 2), ("stop", None), ("resume", 1), ("stop", 2),
    ]  # fmt: skip
    state = SearchState.from_events(events)
    ends = {number: trial.status for number, trial in state.trials.items()}
    assert ends == {0: "cancelled", 1: "completed", 2: "cancelled", 3: "completed"}
    assert [rung.rung for rung in state.trials[1].rungs] == [0, 1]
    assert json.loads((folder / "summary.json").read_text())["counts"] == {"cancelled": 2, "completed": 2}
