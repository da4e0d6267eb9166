from __future__ import annotations

from search.judging.causes import cause_counts, cause_of, guard_counts, why_all_failed
from search.judging.recommend import recommend
from search.record import Decided, Event, SearchState, TrialFinished
from tests.records import guarded_events, opening_events, trial_events


def state_of(*trials: list[Event]) -> SearchState:
    return SearchState.from_events([*opening_events(), *(event for trial in trials for event in trial)])


def stopped(trial: int, by: str, decision: str = "stop") -> list[Event]:
    """A trial that something other than a guard ended at its first rung."""
    proposed, reached, _, finished = guarded_events(trial, "retention", "")
    decided = Decided(trial=trial, rung=0, decision=decision, by=by, reason="why")  # type: ignore[arg-type]
    assert isinstance(finished, TrialFinished)
    return [proposed, reached, decided, finished.model_copy(update={"failure_class": None})]


def ended(trial: int, status: str, failure_class: str | None) -> list[Event]:
    proposed, *_ = trial_events(trial, {})
    finished = TrialFinished(trial=trial, status=status, reason="why", failure_class=failure_class)  # type: ignore[arg-type]
    return [proposed, finished]


def test_every_trial_that_ended_early_has_its_cause() -> None:
    state = state_of(
        trial_events(0, {"train_loss": 1.0, "retention": 1.0}),
        stopped(1, "scheduler"),
        stopped(2, "limits"),
        stopped(3, "scheduler", "pause"),
        guarded_events(4, "retention", "why"),
        ended(5, "diverged", "spike"),
        ended(6, "diverged", "diverged"),
        ended(7, "infeasible", "out_of_memory"),
        ended(8, "failed", None),
    )
    assert [cause_of(state.trials[number]) for number in range(9)] == [
        None,
        "scheduler",
        "limits",
        "not promoted",
        "guard retention",
        "guard spike",
        "diverged",
        "out_of_memory",
        "failed",
    ]
    assert sum(cause_counts(state).values()) == 8
    assert guard_counts(state) == {"retention": 1, "spike": 1}


def test_where_guards_ended_every_trial_they_are_named_and_what_to_change() -> None:
    reason = "retention 0.5 [0.45, 0.56] lies below 0.95"
    found = recommend(
        state_of(*(guarded_events(n, "retention", reason) for n in range(2)), ended(2, "diverged", "spike"))
    )
    assert found.trial is None
    assert "All 3 trials were ended by guards before the full budget (2 retention, 1 spike)" in found.reason
    assert "a lower guards.retention; guards.retention=null switches it off." in found.reason
    assert "a larger guards.spike; guards.spike=null switches it off." in found.reason
    one = recommend(state_of(guarded_events(0, "retention", reason)))
    assert (
        f"The only trial was ended by guards before the full budget (1 retention), for example trial 0: "
        f"{reason}." in one.reason
    )


def test_where_guards_ended_some_trials_they_are_counted() -> None:
    found = recommend(state_of(guarded_events(0, "retention", "why"), stopped(1, "scheduler")))
    assert "No trial reached the full budget (2 stopped; ended by guards: 1 retention)." in found.reason


def test_where_all_trials_failed_each_cause_has_an_example_and_a_remedy() -> None:
    state = state_of(
        ended(0, "failed", "crashed"), ended(1, "infeasible", "out_of_memory"), ended(2, "failed", "crashed")
    )
    why = why_all_failed(state)
    assert why is not None
    assert why.startswith(
        "All 3 trials failed (2 crashed, such as trial 0: why; 1 out_of_memory, such as trial 1"
    )
    assert "lower task.max_length" in why
    assert recommend(state).reason == why
    assert "larger trials=" not in why
    alone = why_all_failed(state_of(ended(0, "diverged", "diverged")))
    assert alone is not None
    assert alone.startswith(
        "The only trial failed (1 diverged, such as trial 0: why). Lower the upper bound of lr"
    )


def test_a_search_in_which_any_trial_was_trained_or_goes_on_has_not_failed() -> None:
    failed = ended(0, "failed", "user")
    assert why_all_failed(SearchState()) is None
    assert why_all_failed(state_of(failed, stopped(1, "scheduler"))) is None
    assert why_all_failed(state_of(failed, trial_events(1, {"train_loss": 1.0, "retention": 1.0}))) is None
    assert why_all_failed(state_of(failed, trial_events(1, {})[:1])) is None
