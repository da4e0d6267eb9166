"""A search that begins with another, promotes, is ended by a limit, and goes on once that is raised.

Its groups have two workers each, which share the base model out between them once it goes on.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from search.judging.front import on_front
from search.record import Decided, FrontMeasured, SearchState, TrialFinished, WarmStarted, read_events
from tests.ray_cluster import SharedCluster
from tests.searches import assert_every_trial_finished_once, finish, start

pytestmark = [pytest.mark.integration, pytest.mark.alone]

SECOND = 1 / 3600
TRIALS = 6


def test_a_warm_started_search_promotes_and_goes_on_once_its_limit_is_raised(
    tmp_path: Path, finished: tuple[Path, str], data: Path, cluster: SharedCluster
) -> None:
    words = [
        "space=demo", "name=second", f"out={tmp_path}", f"trials={TRIALS}", "budget.steps=9",
        "confirm.candidates=1", "scheduler={name: moasha, variant: promotion}",
        f"warm_start={{search: {finished[0] / 'demo'}, use: prior}}", "tracking.enabled=false",
        "workers.workers=2", "workers.groups=1", "workers.slots=2",
        "parameters.dropout={type: float, low: 0.0, high: 0.2, when: alpha_per_rank >= 2}",
        "capability.skills.2.at=front", f"task.train={data}",
    ]  # fmt: skip
    code, output = finish(start(*words, f"limits.hours={SECOND}", "--json", cluster=cluster))
    assert code == 0, output
    events = read_events(tmp_path / "second")
    begun = [event for event in events if isinstance(event, WarmStarted)]
    assert [event.use for event in begun] == ["prior"]
    # Earlier trials of the larger scales have no dropout, and are no points of this space.
    assert begun[0].trials
    assert all(int(str(prior.sampled["alpha_per_rank"])) < 2 for prior in begun[0].trials)
    assert SearchState.from_events(events).searched < TRIALS
    assert not [event for event in events if isinstance(event, FrontMeasured)]
    limits = json.loads(output.splitlines()[-1])["limits"]
    assert limits["reached"].startswith("limits.hours: ")
    assert limits["set"]["hours"]["limit"] == pytest.approx(SECOND)

    code, output = finish(start(*words, "limits.hours=1", "workers.zero_stage=3", "--json", cluster=cluster))
    assert code == 0, output
    after = read_events(tmp_path / "second")
    assert after[: len(events)] == events
    assert_every_trial_finished_once(after, TRIALS)
    assert json.loads(output.splitlines()[-1])["limits"]["reached"] is None
    paused = {event.trial for event in after if isinstance(event, Decided) and event.decision == "pause"}
    assert paused, "promotion has every trial wait at its rung"
    assert paused <= {event.trial for event in after if isinstance(event, TrialFinished)}
    state = SearchState.from_events(after)
    asked = [event for event in after if isinstance(event, FrontMeasured)]
    assert {event.trial for event in asked} == set(on_front(state)) != set()
    for event in asked:
        assert event.intervals["format_generation"].n == 80
        assert (tmp_path / "second" / str(event.items_file)).is_file()
    for trial in state.trials.values():
        assert ("dropout" in trial.proposed.sampled) == (
            int(str(trial.proposed.sampled["alpha_per_rank"])) >= 2
        )
