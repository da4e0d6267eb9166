from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis.costs import rungs_line
from analysis.summary import summarise
from search.judging.budget import budget_used
from search.judging.spending import spending
from search.record import Decided, Event, SearchEnded, SearchState, SlotsChosen
from tests.records import BEGIN, guarded_events, make_config, opening_events, trial_events

METRICS = {"train_loss": 1.0, "retention": 1.0}


def state_of(*more: Event, trials: int = 2, **changes: Any) -> SearchState:
    """Two groups of two devices each, on three nodes, for an hour."""
    chosen = SlotsChosen(groups=2, slots=1, reason="", devices=4, nodes=3, time=BEGIN + 1)
    ended = SearchEnded(reason="finished", time=BEGIN + 3600)
    return SearchState.from_events(
        [*opening_events(make_config(trials, **changes)), chosen, *more, *([ended] if more else [])]
    )


def test_hours_devices_and_money_are_those_of_the_sessions() -> None:
    used = spending(state_of(*trial_events(0, METRICS), limits={"price": 2.0}))
    assert (used.hours, used.device_hours) == (1.0, 4.0)
    assert used.cost == 6.0
    assert spending(state_of(*trial_events(0, METRICS))).cost is None


def test_devices_that_come_in_the_middle_of_a_session_cost_from_then_on() -> None:
    more = SlotsChosen(groups=3, slots=1, reason="", devices=6, nodes=4, time=BEGIN + 1800)
    used = spending(state_of(more, limits={"price": 2.0}))
    assert (used.hours, used.device_hours, used.cost) == (1.0, 5.0, 7.0)


def test_nodes_that_go_cost_no_more_also_where_none_is_left_to_train_on() -> None:
    def at(seconds: float, groups: int, nodes: int) -> SlotsChosen:
        return SlotsChosen(
            groups=groups, slots=1, reason="", devices=2 * groups, nodes=nodes, time=BEGIN + seconds
        )

    state = state_of(at(900, 1, 2), at(1800, 0, 1), at(2700, 2, 3), limits={"price": 4.0})
    used = spending(state)
    assert (used.hours, used.device_hours, used.cost) == (1.0, (4 + 2 + 0 + 4) / 4, 3 + 2 + 1 + 3)
    state = state_of(at(900, 1, 2), at(1800, 0, 1))
    assert state.slots is not None
    assert state.slots.groups == 1, "what a group is, is not forgotten"


def test_phases_are_told_apart() -> None:
    state = state_of(
        *trial_events(0, METRICS),
        *trial_events(1, METRICS, repeats=0),
        *trial_events(2, METRICS, repeats=0, train_seconds=35.0),
        limits={"price": 2.0},
    )
    used = budget_used(state)
    phases = used.phases
    assert {name: (one.trials, one.steps) for name, one in phases.items()} == {
        "search": (1, 90),
        "confirmation": (2, 180),
        "baselines": (1, 0),
    }
    assert phases["confirmation"].seconds == 40.0
    assert phases["confirmation"].device_hours == pytest.approx(40 * 2 / 3600)
    assert used.cost is not None
    assert sum(one.cost or 0.0 for one in phases.values()) == pytest.approx(used.cost)
    assert (used.trials, used.steps_trained, used.steps_full) == (1, 90, 90), "repetitions are no trials"
    assert used.train_seconds == 41.0


def test_what_stopping_saved_is_priced_at_the_measured_pace() -> None:
    used = budget_used(state_of(*trial_events(0, METRICS), *guarded_events(1, "retention", "")))
    assert used.steps_saved == 80
    # 2 trials of 4 s took 100 steps, and a group has 2 devices.
    assert used.device_hours_saved == pytest.approx(80 * 0.08 * 2 / 3600)


@pytest.mark.parametrize("stopped", [0, 1])
def test_early_rungs_that_cost_more_than_they_save_are_named(stopped: int, tmp_path: Path) -> None:
    proposed, early, *_ = guarded_events(0, "retention", "")
    _, *whole = trial_events(0, METRICS)
    state = state_of(proposed, early, *whole, *(guarded_events(1, "retention", "") if stopped else ()))
    assert budget_used(state).early_eval_seconds == 1 + stopped
    line = rungs_line(summarise(state, tmp_path))
    if stopped:  # 80 steps at 12 s for 100 steps
        assert line is None
    else:
        assert line is not None
        assert "took 1.0 s, and ending trials early saved about 0.0 s" in line


LIMITS = {"hours": 2.0, "device_hours": 3.9}


def test_the_limit_that_ended_a_trial_is_named() -> None:
    proposed, reached, _, finished = guarded_events(0, "limits", "limits.hours: 2 of 2 is spent")
    decided = Decided(trial=0, rung=0, decision="stop", by="limits", reason="limits.hours: 2 of 2 is spent")
    decided = decided.model_copy(update={"time": BEGIN + 3})
    found = spending(state_of(proposed, reached, decided, finished, limits={"hours": 2.0}))
    assert found.ended_by == "limits.hours: 2 of 2 is spent"


def test_a_limit_between_two_trials_is_found_by_what_is_spent() -> None:
    assert spending(state_of(*trial_events(0, METRICS), limits=LIMITS)).ended_by == (
        "limits.device_hours: 4 of 3.9 is spent"
    )


def test_a_limit_that_kept_a_reserve_is_found_by_the_trials_that_are_missing() -> None:
    early = state_of(*trial_events(0, METRICS), trials=9, limits={"hours": 1.5})
    assert spending(early).ended_by == "limits.hours: 1 of 1.5 is spent"


@pytest.mark.parametrize(
    "changes",
    [
        {"trials": 1, "limits": {"hours": 9.0}},
        {"trials": 9},
        {"trials": 9, "limits": {"hours": 9.0}, "searcher": {"name": "grid"}},
    ],
)
def test_where_the_trials_or_the_searcher_ended_the_search_no_limit_did(changes: dict[str, Any]) -> None:
    confirmed = (*trial_events(1, METRICS, repeats=0), *trial_events(2, METRICS, repeats=0))
    assert spending(state_of(*trial_events(0, METRICS), *confirmed, **changes)).ended_by is None


def test_a_limit_that_kept_a_repetition_from_beginning_is_found() -> None:
    one = (*trial_events(0, METRICS), *trial_events(1, METRICS, repeats=0))
    found = spending(state_of(*one, trials=1, limits={"hours": 1.01}))
    assert found.ended_by == "limits.hours: 1 of 1.01 is spent"
