"""What the record says, as MLflow gets it."""

from __future__ import annotations

from typing import Any

from search.record import (
    Event,
    Failed,
    FrontMeasured,
    RequestAnswered,
    RungReached,
    SearchEnded,
    SessionStarted,
    SlotsChosen,
    WarmStarted,
)
from search.record.events import JudgedMean
from search.tracking.mlflow_projection import Projection
from search.tracking.runs import SEARCH, trial_key
from tests.records import BEGIN, guarded_events, opening_events, trial_events
from trainables.interval import Interval


def project(events: list[Event]) -> Projection:
    projection = Projection()
    for event in events:
        projection.apply(event)
    return projection


def test_the_parent_run_has_the_slots_of_the_last_session() -> None:
    chosen = SlotsChosen(groups=2, slots=4, reason="4 train fastest", time=BEGIN + 1)
    projection = project([*opening_events(), chosen])
    tags = projection.runs[SEARCH].tags
    assert (tags["tightrope.groups"], tags["tightrope.slots"]) == ("2", "4")
    assert tags["tightrope.slots_reason"] == "4 train fastest"
    projection.changed.clear()
    projection.apply(SessionStarted(session=1, trials=16, command="x", host="h", pid=1, time=BEGIN + 5))
    projection.apply(SlotsChosen(groups=1, slots=8, reason="8 train fastest", time=BEGIN + 6))
    assert SEARCH in projection.changed
    assert (tags["tightrope.groups"], tags["tightrope.slots"]) == ("1", "8")


CONFIRMED = {0: {"train_loss": JudgedMean(mean=1.1, n=2, low=1.0, high=1.2)}}
WORDS = {"retention": "not shown to be kept"}
POINT = {"train_loss": 2.0, "retention": 1.0}


def searched() -> list[Event]:
    """A search with one trial that a guard ended and one that was repeated twice."""
    return [
        *opening_events(),
        *trial_events(0, POINT, time=BEGIN + 10),
        *guarded_events(1, "retention", "too low", time=BEGIN + 20),
        *trial_events(2, {"train_loss": 1.0, "retention": 1.0}, repeats=0, time=BEGIN + 30),
        *trial_events(3, {"train_loss": 1.2, "retention": 1.0}, repeats=0, time=BEGIN + 40),
        SearchEnded(
            reason="finished", recommended=0, time=BEGIN + 50, confirmed=CONFIRMED, constraints=WORDS
        ),
    ]


def points_of(projection: Projection, key: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for point in projection.runs[key].points:
        found.setdefault(point.key, []).append(point.value)
    return found


def test_repetitions_name_what_they_repeat_and_are_no_trials() -> None:
    projection = project(searched())
    tags = projection.runs[trial_key(3)].tags
    assert (tags["tightrope.origin"], tags["tightrope.repeats"]) == ("confirmation", "0")
    assert tags["tightrope.repeats_run"] == projection.runs[trial_key(0)].name
    assert "tightrope.repeats" not in projection.runs[trial_key(0)].tags
    parent = points_of(projection, SEARCH)
    assert parent["trials_completed"] == [1.0]
    assert parent["repetitions_completed"] == [1.0, 2.0]
    assert parent["best_feasible_train_loss"] == [2.0], "that of the search, not of a repetition"


def test_what_confirmation_found_is_on_the_candidate_and_the_recommended_on_the_parent() -> None:
    projection = project(searched())
    assert projection.runs[SEARCH].tags["tightrope.constraint.retention"] == "not shown to be kept"
    for key in (trial_key(0), SEARCH):
        published = points_of(projection, key)
        assert published["confirmed_runs"] == [2.0]
        assert published["confirmed_train_loss"] == [1.1]
        assert published["confirmed_train_loss_low"] == [1.0]
        assert published["confirmed_train_loss_high"] == [1.2]
    # A session that adds no repetition has nothing new to tell.
    again = SessionStarted(session=1, trials=16, command="x", host="h", pid=1, time=BEGIN + 60)
    ended = SearchEnded(reason="finished", recommended=None, time=BEGIN + 70, confirmed=CONFIRMED)
    more = project([*searched(), again, ended])
    assert points_of(more, SEARCH)["confirmed_runs"] == [2.0]
    assert more.runs[SEARCH].tags["tightrope.constraint.retention"] == "none is recommended"


def test_an_interrupted_search_tells_its_confirmation_when_it_finishes() -> None:
    *before, end = searched()
    interrupted = SearchEnded(reason="interrupted", time=BEGIN + 50)
    projection = project([*before, interrupted])
    assert "confirmed_runs" not in points_of(projection, SEARCH)
    projection.apply(SessionStarted(session=1, trials=16, command="x", host="h", pid=1, time=BEGIN + 60))
    projection.apply(end.model_copy(update={"time": BEGIN + 70}))
    assert points_of(projection, SEARCH)["confirmed_runs"] == [2.0]


def test_what_was_asked_on_the_front_is_on_the_trial_s_run_at_its_last_step() -> None:
    events = [event for event in searched() if not isinstance(event, SearchEnded)]
    found = Interval(low=0.1, high=0.4, n=40)
    asked = FrontMeasured(
        trial=0, metrics={"dear_f1": 0.25}, intervals={"dear_f1": found}, eval_seconds=3.0, time=BEGIN + 60
    )
    run = project([*events, asked]).runs[trial_key(0)]
    last = max(point.step for point in run.points if point.key == "train_loss")
    added = {point.key: (point.value, point.step) for point in run.points[-4:]}
    assert added == {
        "dear_f1": (0.25, last),
        "dear_f1_low": (0.1, last),
        "dear_f1_high": (0.4, last),
        "front_eval_seconds": (3.0, last),
    }
    assert run.status == "FINISHED"


def test_a_trial_that_could_not_be_asked_has_not_failed() -> None:
    events = [event for event in searched() if not isinstance(event, SearchEnded)]
    events.append(Failed(trial=0, failure_class="out_of_memory", message="no memory", time=BEGIN + 60))
    tags = project(events).runs[trial_key(0)].tags
    assert tags["tightrope.front_failure"] == "out_of_memory"
    assert "tightrope.failure_class" not in tags
    asked = FrontMeasured(trial=0, metrics={"dear_f1": 0.25}, eval_seconds=3.0, time=BEGIN + 90)
    tags = project([*events, asked]).runs[trial_key(0)].tags
    assert tags["tightrope.front_failure"] == "asked again with success"


def test_a_guard_is_named_beside_the_decision() -> None:
    run = project(searched()).runs[trial_key(1)]
    assert run.status == "FINISHED"
    assert (run.tags["tightrope.guard"], run.tags["tightrope.decided_by"]) == ("retention", "retention")


def test_a_paused_trial_is_shown_as_such_until_it_goes_on() -> None:
    proposed, reached, decided, finished = guarded_events(0, "scheduler", "rank 2 of 2")
    pause = decided.model_copy(update={"decision": "pause"})
    projection = project([*opening_events(), proposed, reached, pause])
    run = projection.runs[trial_key(0)]
    assert (run.status, run.tags["tightrope.status"]) == ("RUNNING", "paused")
    projection.apply(SessionStarted(session=1, trials=16, command="x", host="h", pid=1, time=BEGIN + 60))
    assert (run.status, run.tags["tightrope.status"]) == ("RUNNING", "paused")
    projection.apply(decided.model_copy(update={"decision": "continue", "time": BEGIN + 61}))
    assert run.tags["tightrope.status"] == "running"
    assert points_of(projection, SEARCH)["trials_paused"][-1] == 0.0
    projection.apply(pause.model_copy(update={"rung": 1, "time": BEGIN + 62}))
    projection.apply(finished.model_copy(update={"failure_class": None, "time": BEGIN + 63}))
    assert (run.status, run.tags["tightrope.status"]) == ("FINISHED", "stopped")
    assert "tightrope.guard" not in run.tags


def test_a_trial_that_is_paused_by_hand_is_shown_as_such() -> None:
    def asked(verb: Any, at_once: bool = True) -> RequestAnswered:
        return RequestAnswered(id=verb, verb=verb, trial=0, answer="so", at_once=at_once, time=BEGIN + 60)

    proposed, reached, decided, finished = guarded_events(0, "scheduler", "rank 1 of 2")
    go_on = decided.model_copy(update={"decision": "continue"})
    projection = project([*opening_events(), proposed, asked("pause", at_once=False)])
    tags = projection.runs[trial_key(0)].tags
    for event, word in (
        (reached, "running"),
        (go_on, "paused"),
        (SessionStarted(session=1, trials=16, command="x", host="h", pid=1, time=BEGIN + 61), "paused"),
        (asked("resume"), "running"),
        (asked("pause"), "paused"),
        (finished.model_copy(update={"failure_class": None}), "stopped"),
    ):
        projection.apply(event)
        assert tags["tightrope.status"] == word, event
    assert points_of(projection, SEARCH)["trials_paused"][-1] == 0.0


def test_what_is_recommended_is_open_while_a_finished_search_is_extended() -> None:
    projection = project(searched())
    session = SessionStarted(session=1, trials=99, command="x", host="h", pid=1, time=BEGIN + 90)
    projection.apply(session)
    both = [projection.runs[run].tags["tightrope.recommended"] for run in (SEARCH, trial_key(0))]
    assert both == ["to be decided"] * 2
    assert "Recommended" not in projection.runs[SEARCH].tags["mlflow.note.content"]
    projection.apply(SearchEnded(reason="finished", recommended=0, time=BEGIN + 95))
    assert projection.runs[trial_key(0)].tags["tightrope.recommended"] == "yes"


def test_a_warm_start_is_on_the_parent() -> None:
    begun = WarmStarted(search_id="fedcba", use="prior", trials=[], time=BEGIN + 1)
    tags = project([*opening_events(), begun]).runs[SEARCH].tags
    assert tags["tightrope.warm_start.from"] == "fedcba"
    assert (tags["tightrope.warm_start.use"], tags["tightrope.warm_start.trials"]) == ("prior", "0")


def test_a_rung_has_its_tokens_where_they_were_counted() -> None:
    proposed, reached, *_ = trial_events(0, {"train_loss": 2.0})
    assert isinstance(reached, RungReached)
    counted = reached.model_copy(update={"tokens": 640, "padding": 0.1, "pack": 3.0})
    for event, expected in ((reached, {}), (counted, {"tokens": 640.0, "padding": 0.1, "pack": 3.0})):
        points = project([*opening_events(), proposed, event]).runs[trial_key(0)].points
        published = {point.key: point.value for point in points}
        assert {
            name: published[name] for name in ("tokens", "padding", "pack") if name in published
        } == expected
