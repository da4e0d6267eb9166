"""What the record says about packing, as MLflow is told it."""

from __future__ import annotations

from search.record import Event, RungReached, SessionStarted, SlotsChosen
from search.tracking.projection import Projection
from search.tracking.runs import SEARCH, trial_key
from tests.records import BEGIN, opening_events, trial_events


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


def test_a_rung_has_its_tokens_where_they_were_counted() -> None:
    proposed, reached, *_ = trial_events(0, {"train_loss": 2.0})
    assert isinstance(reached, RungReached)
    counted = reached.model_copy(update={"tokens": 640, "padding": 0.1, "pack": 3.0})
    for event, expected in ((reached, {}), (counted, {"tokens": 640.0, "padding": 0.1, "pack": 3.0})):
        points = project([*opening_events(), proposed, event]).runs[trial_key(0)].points
        told = {point.key: point.value for point in points}
        assert {name: told[name] for name in ("tokens", "padding", "pack") if name in told} == expected
