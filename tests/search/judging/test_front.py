"""Trials on the Pareto front are asked the costly questions, once the search is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from search.conductor import Conductor
from search.config.schema import SearchConfig
from search.judging.front import on_front
from search.judging.pareto import pareto_front
from search.judging.recommend import recommend
from search.record import (
    Event,
    Failed,
    FrontMeasured,
    RungReached,
    SearchState,
    SessionStarted,
    TrialFinished,
)
from search.record.clock import now
from search.simulate import simulate
from search.simulate.curves import RecordedCurves
from tests.search.conducting import COSTLY, LENIENT, begun, conduct, configure, train
from trainables.messages import FrontRequest, Reply, TrainRequest


def costly(trials: int = 9, **changes: Any) -> SearchConfig:
    return configure("random", trials, **({"capability": COSTLY, "objectives": LENIENT} | changes))


def trained(config: SearchConfig, record: list[Event], clock: Callable[[], float] = now) -> Conductor:
    """A search of which all is done but the questions on the front, the first of which is put."""
    conductor = begun(config, record, clock)
    limits = config.limits.model_dump()
    session = SessionStarted(
        time=clock(), session=0, trials=config.trials, command="", host="", pid=1, limits=limits
    )
    record.append(session)
    conductor.state.apply(session)
    while isinstance(request := conductor.request(number(conductor)), TrainRequest):
        while conductor.report(request.trial, train(conductor.request(request.trial))):
            pass
    return conductor


def number(conductor: Conductor) -> int:
    found = conductor.next_trial()
    assert found is not None
    return found


def asked(record: list[Event]) -> list[int]:
    return [event.trial for event in record if isinstance(event, FrontMeasured)]


def test_those_that_may_be_chosen_are_asked_once_all_training_is_over() -> None:
    record: list[Event] = []
    config = costly(confirm={"candidates": 2})
    state = conduct(config, record).state
    front = [trial.number for trial in pareto_front(state) if trial.feasible]
    assert len(front) > 1
    assert set(asked(record)) == {*front, recommend(state).trial}
    assert len(asked(record)) == len(set(asked(record)))
    first = next(place for place, event in enumerate(record) if isinstance(event, FrontMeasured))
    assert not [event for event in record[first:] if isinstance(event, RungReached | TrialFinished)]
    for trial in state.trials.values():
        own = trial.last.metrics if trial.last else {}
        assert ("dear_generation" in own) == (trial.number in asked(record))
        assert "train_loss" in own or not trial.rungs
        if trial.front is not None:
            assert trial.last is not None
            assert trial.last.items_file == f"{trial.last.checkpoint}.front.items.parquet"
            assert trial.eval_seconds == pytest.approx(0.1 * len(trial.rungs) + 3.0)


def test_where_none_keeps_the_constraints_the_whole_front_is_asked() -> None:
    record: list[Event] = []
    hard = [LENIENT[0], {"metric": "retention", "direction": "max", "floor": 5.0}]
    state = conduct(costly(objectives=hard), record).state
    assert set(asked(record)) == {trial.number for trial in pareto_front(state)} != set()


def test_a_search_without_such_skills_asks_nobody() -> None:
    record: list[Event] = []
    state = conduct(configure("random", objectives=LENIENT), record).state
    assert on_front(state)
    assert not asked(record)


def test_more_trials_ask_only_who_is_new_on_the_front() -> None:
    record: list[Event] = []
    conduct(costly(4), record)
    before = asked(record)
    assert conduct(costly(20), record).finished
    assert before
    assert len(asked(record)) > len(before)
    assert len(asked(record)) == len(set(asked(record)))


def test_a_lost_request_is_made_again_and_given_up_after_three_losses_until_the_next_session() -> None:
    record: list[Event] = []
    conductor = trained(costly(), record)
    first = on_front(conductor.state)[0]
    for _ in range(3):
        conductor.lose(first, "node gone")
        assert number(conductor) == first
        assert isinstance(conductor.request(first), FrontRequest)
    conductor.lose(first, "node gone")
    while (other := conductor.next_trial()) is not None:
        assert other != first
        assert not conductor.report(other, train(conductor.request(other)))
    assert conductor.finished
    assert conductor.state.trials[first].status == "completed"
    assert first not in asked(record)
    conduct(costly(), record)
    assert set(asked(record)) == set(on_front(conductor.state))


def test_one_that_cannot_be_asked_is_recorded_and_costs_no_other_its_questions() -> None:
    record: list[Event] = []
    conductor = trained(costly(), record)
    first = on_front(conductor.state)[0]
    assert not conductor.report(first, Reply("out_of_memory", "out of memory in the evaluation"))
    assert isinstance(record[-1], Failed)
    assert record[-1].failure_class == "out_of_memory"
    while (other := conductor.next_trial()) is not None:
        conductor.report(other, train(conductor.request(other)))
    assert conductor.finished
    assert set(asked(record)) == set(on_front(conductor.state)) - {first}


def test_those_that_a_guard_found_broken_are_not_asked_and_hide_no_other() -> None:
    record: list[Event] = []
    state = conduct(costly(), record).state
    best = on_front(state)[0]
    ended = state.trials[best].finished
    assert ended is not None
    broken = ended.model_copy(update={"failure_class": "degeneration"})
    again = SearchState.from_events(broken if event == ended else event for event in record)
    assert best not in on_front(again)
    assert recommend(again).trial in on_front(again)


def test_a_request_that_is_lost_after_a_limit_is_not_made_again() -> None:
    now = [0.0]
    conductor = trained(costly(limits={"hours": 1.0}), [], lambda: now[0])
    now[0] = 3601.0
    conductor.lose(on_front(conductor.state)[0], "node gone")
    assert conductor.next_trial() is None
    assert conductor.finished


def test_several_can_be_asked_at_once_and_the_search_is_not_over_before_they_answer() -> None:
    record: list[Event] = []
    conductor = trained(costly(), record)
    under_way = [on_front(conductor.state)[0]]
    while (other := conductor.next_trial()) is not None:
        under_way.append(other)
    assert under_way == on_front(conductor.state)
    for trial in under_way:
        assert not conductor.finished
        conductor.report(trial, train(conductor.request(trial)))
    assert conductor.finished


def test_nobody_is_asked_once_a_limit_is_reached() -> None:
    now = [0.0]
    conductor = trained(costly(limits={"hours": 1.0}), [], lambda: now[0])
    assert len(on_front(conductor.state)) > 1
    now[0] = 3601.0
    assert conductor.next_trial() is None
    assert not conductor.finished  # one is being asked
    first = on_front(conductor.state)[0]
    conductor.report(first, train(conductor.request(first)))
    assert conductor.finished


def test_a_simulation_asks_nobody() -> None:
    record: list[Event] = []
    config = costly()
    state = conduct(config, record).state
    curves = RecordedCurves(SearchState.from_events(record))
    simulated = simulate(config, curves, workers=2)
    assert not [event for event in simulated.events if isinstance(event, FrontMeasured)]
    assert simulated.state.trials.keys() == state.trials.keys()
