"""A search that is cut off at any event goes on as if nothing had happened."""

from __future__ import annotations

import math
import time
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.conductor import Conductor
from search.config.schema import SearchConfig
from search.judging.racing import candidates
from search.judging.recommend import recommend
from search.judging.spending import usage
from search.record import (
    Decided,
    Event,
    RungReached,
    SearchStarted,
    SearchState,
    SessionStarted,
    SlotsChosen,
    TrialFinished,
    TrialProposed,
)
from search.record.clock import SessionClock
from search.simulate import simulate
from tests.search.conducting import BASE, COSTLY, LENIENT, begun, conduct, configure, make, timeless, train
from trainables.interval import Interval
from trainables.messages import Reply, TrainRequest


def _begun() -> list[Event]:
    return [BASE]


SEARCHES: dict[str, dict[str, Any]] = {
    "tpe": {"searcher": "tpe"},
    "random": {"searcher": "random"},
    "grid": {"searcher": "grid", "trials": 8},
    "moasha": {"searcher": "tpe", "scheduler": {"name": "moasha"}, "confirm": {"candidates": 2}},
    "front": {
        "searcher": "random",
        "capability": COSTLY,
        "confirm": {"candidates": 2},
        "objectives": LENIENT,
    },
    "measured at the first and the last rung": {
        "searcher": "tpe",
        "budget": {"steps": 27, "early_ratio": 50},
        "scheduler": {"name": "moasha"},
        "confirm": {"candidates": 2},
    },
    "promotion": {
        "searcher": "random",
        "trials": 14,
        "scheduler": {"name": "moasha", "variant": "promotion", "brackets": 2},
        "confirm": {"candidates": 1, "seeds": 3},
    },
}


@pytest.fixture(scope="module", params=SEARCHES)
def whole(request: pytest.FixtureRequest) -> tuple[SearchConfig, list[Event]]:
    config = configure(**SEARCHES[request.param])
    record: list[Event] = []
    conduct(config, record)
    return config, record


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_cut_anywhere_and_resumed_gives_the_same_record(
    whole: tuple[SearchConfig, list[Event]], data: st.DataObject
) -> None:
    config, uninterrupted = whole
    cuts = data.draw(st.lists(st.integers(1, len(uninterrupted)), max_size=3))
    record: list[Event] = []
    for cut in sorted(cuts):
        conduct(config, record, events_at_most=cut)
        del record[cut:]
    conduct(config, record)
    assert timeless(record) == timeless(uninterrupted)


def test_every_trial_finishes_once_and_rungs_come_in_order(
    whole: tuple[SearchConfig, list[Event]],
) -> None:
    config, record = whole
    state = SearchState.from_events(record)
    finished = Counter(event.trial for event in record if isinstance(event, TrialFinished))
    assert finished == Counter(state.trials.keys())
    assert state.searched == config.trials
    assert not state.unfinished
    assert not state.paused
    rungs: dict[int, list[int]] = {}
    for event in record:
        if isinstance(event, RungReached):
            rungs.setdefault(event.trial, []).append(event.rung)
    assert all(seen == list(range(len(seen))) for seen in rungs.values())


def test_retention_is_capability_over_the_base_and_carries_its_interval(
    whole: tuple[SearchConfig, list[Event]],
) -> None:
    for event in whole[1]:
        if isinstance(event, RungReached) and event.measured:
            assert event.metrics["retention"] == pytest.approx(event.metrics["capability"] / 0.8)
            assert event.intervals["retention"].low == pytest.approx(event.intervals["capability"].low / 0.8)
            assert event.intervals["retention"].n == 200


def test_a_rung_records_how_it_was_packed(whole: tuple[SearchConfig, list[Event]]) -> None:
    state = SearchState.from_events(whole[1])
    for trial in state.trials.values():
        steps = [0, *(rung.step for rung in trial.rungs)]
        assert [rung.tokens for rung in trial.rungs] == [64 * (b - a) for a, b in pairwise(steps)]
        assert {(rung.padding, rung.pack) for rung in trial.rungs} <= {(0.125, 2.5)}


def test_more_trials_extend_a_finished_search() -> None:
    record: list[Event] = []
    conduct(configure(trials=4), record)
    before = timeless(record)
    conductor = conduct(configure(trials=7), record)
    assert timeless(record)[: len(before)] == before
    assert conductor.finished
    assert sorted(conductor.state.trials) == list(range(7))


def test_a_lost_trial_goes_on_from_its_last_rung_and_is_never_given_up() -> None:
    config = configure("random", trials=1)
    record: list[Event] = []
    for _ in range(3):
        conductor = begun(config, record)
        number = conductor.next_trial()
        assert number == 0
        if not conductor.state.trials[0].rungs:
            assert conductor.report(0, train(conductor.request(0)))
        for _ in range(4):
            assert conductor.aborted is None
            conductor.lose(0, "node gone")
        assert "lost 4 times" in (conductor.aborted or "")
        assert 0 in conductor.state.unfinished
        request = conductor.request(0)
        assert isinstance(request, TrainRequest)
        assert request.from_step == conductor.rungs(0)[0]


def test_an_aborted_session_leaves_trials_for_the_next() -> None:
    config, record = configure(trials=3), _begun()
    conductor = make(config, record)
    conductor.next_trial()
    conductor.abort("no group is left")
    assert conductor.finished
    assert conductor.next_trial() is None
    resumed = conduct(config, record)
    assert [trial.status for trial in resumed.state.trials.values()].count("running") == 0


def test_a_diverged_trial_keeps_its_reason_and_is_never_running() -> None:
    record: list[Event] = []
    config = configure("grid", trials=8)
    state = SearchState.from_events(conduct(config, record) and record)
    diverged = [trial for trial in state.trials.values() if trial.status == "diverged"]
    assert diverged
    assert all(trial.finished and trial.finished.failure_class == "diverged" for trial in diverged)
    assert all(isinstance(trial.proposed, TrialProposed) for trial in diverged)


def test_the_best_are_repeated_with_new_seeds_and_teach_nothing() -> None:
    record: list[Event] = []
    config = configure(trials=9, objectives=LENIENT, confirm={"candidates": 2, "seeds": 3})
    state = conduct(config, record).state
    repeats = [trial for trial in state.trials.values() if trial.confirms is not None]
    assert Counter(trial.confirms for trial in repeats).most_common() == [
        (trial.number, 3) for trial in candidates(config, state)
    ]
    assert {trial.status for trial in repeats} == {"completed"}
    for repeat in repeats:
        original = state.trials[repeat.confirms or 0]
        assert repeat.params.keys() == original.params.keys()
        changed = {name for name, value in repeat.params.items() if value != original.params[name]}
        assert changed == {"seed"}
    assert len({trial.params["seed"] for trial in state.trials.values()}) == len(state.trials)
    without: list[Event] = []
    conduct(configure(trials=9, objectives=LENIENT), without)
    searched = [event for event in record if not (isinstance(event, _TRIAL) and event.trial >= 9)]
    assert timeless(searched)[1:] == timeless(without)[1:]  # all but their configurations


_TRIAL = TrialProposed | RungReached | Decided | TrialFinished


def test_a_paused_trial_is_resumed_from_its_rung_or_ends_with_the_search() -> None:
    record: list[Event] = []
    config = configure("random", 30, scheduler={"name": "moasha", "variant": "promotion"})
    state = conduct(config, record).state
    resumed = [
        event
        for event in record
        if isinstance(event, Decided) and event.decision == "continue" and "promoted" in event.reason
    ]
    assert resumed
    for event in resumed:
        assert len(state.trials[event.trial].rungs) > event.rung + 1 or state.trials[event.trial].finished
    ended = [trial for trial in state.trials.values() if trial.status == "stopped"]
    assert {trial.finished.reason for trial in ended if trial.finished} == {
        "not promoted by the end of the search"
    }


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("searcher", ["random", "tpe"])
def test_an_extended_search_leaves_finished_trials_alone_in_promotion_too(searcher: str, seed: int) -> None:
    scheduler = {"name": "moasha", "variant": "promotion", "share": "fixed"}
    record: list[Event] = []
    loss = [{"metric": "train_loss", "direction": "min"}]
    conduct(configure(searcher, 10, scheduler=scheduler, objectives=loss, seed=seed), record)
    before = len(record)
    ended = {event.trial for event in record if isinstance(event, TrialFinished)}
    conductor = conduct(configure(searcher, 40, scheduler=scheduler, objectives=loss, seed=seed), record)
    assert conductor.finished
    assert not [event for event in record[before:] if isinstance(event, _TRIAL) and event.trial in ended]
    finished = Counter(event.trial for event in record if isinstance(event, TrialFinished))
    assert set(finished.values()) == {1}
    assert len(finished) == 40


def test_a_guard_at_the_last_rung_keeps_a_trial_from_being_recommended() -> None:
    record: list[Event] = []
    config = configure(
        "random",
        12,
        scheduler={"name": "none"},
        confirm={"candidates": 3},
        guards={"retention": 0.7},
        objectives=[{"metric": "train_loss", "direction": "min"}],
    )
    conductor = begun(config, record)
    while (number := conductor.next_trial()) is not None:
        goes_on = True
        while goes_on:
            request = conductor.request(number)
            reply = train(request)
            if request.to_step == 27 and number % 2:
                worse = {
                    "metrics": reply.metrics | {"capability": 0.1},
                    "intervals": {"capability": Interval(0.05, 0.2, 200)},
                }
                reply = reply.model_copy(update=worse)
            goes_on = conductor.report(number, reply)
    state = conductor.state
    broken = [
        trial
        for trial in state.trials.values()
        if trial.finished and trial.finished.failure_class == "retention"
    ]
    assert any(trial.status == "completed" for trial in broken)
    assert not {trial.number for trial in broken} & {trial.number for trial in candidates(config, state)}
    assert recommend(state).trial not in {trial.number for trial in broken}


def timed(config: SearchConfig, seconds: float) -> tuple[SearchState, Conductor]:
    """A search whose every slice takes so long, on one device of one node."""
    return session(config, [], seconds, began=0.0)


def session(
    config: SearchConfig,
    record: list[Event],
    seconds: float,
    began: float,
    slices: float = math.inf,
    set_by: float = 0.0,
) -> tuple[SearchState, Conductor]:
    """One session of such a search, killed after so many slices; the machine's clock is set after one."""
    now = [0.0]
    clock = SessionClock(lambda: began + now[0] + (set_by if now[0] > seconds else 0.0), lambda: now[0])
    conductor = make(config, record, clock)
    started = SearchStarted(
        search_id="s", config=config.model_dump(mode="json"), fingerprints={}, versions={}, time=began
    )
    for event in (
        *([] if conductor.state.started else [started]),
        SessionStarted(session=0, trials=config.trials, command="", host="h", pid=1, time=began),
        SlotsChosen(groups=1, slots=1, reason="", devices=4, nodes=2, time=began),
        BASE.model_copy(update={"time": began}),
    ):
        record.append(event)
        conductor.state.apply(event)
    while (number := conductor.next_trial()) is not None:
        goes_on = True
        while goes_on:
            if slices <= 0:
                return conductor.state, conductor
            slices -= 1
            now[0] += seconds
            spent = {"train_seconds": seconds, "eval_seconds": 0.0}
            reply = train(conductor.request(number)).model_copy(update=spent)
            goes_on = conductor.report(number, reply)
    return conductor.state, conductor


@pytest.mark.parametrize(
    "limits",
    [{"hours": 1.0}, {"device_hours": 4.0}, {"cost": 6.0, "price": 3.0}],
    ids=["hours", "device-hours", "money"],
)
def test_whichever_limit_is_reached_first_ends_the_search_at_the_next_rung(limits: dict[str, float]) -> None:
    state, conductor = timed(configure("random", 1000, limits=limits), seconds=360)
    assert conductor.finished
    used = usage(state)
    assert 1.0 <= used.hours <= 1.1
    assert (used.device_hours, used.node_hours) == pytest.approx((4 * used.hours, 2 * used.hours))
    (name, *_) = limits
    last = list(state.trials.values())[-1]
    assert last.status in ("stopped", "completed")
    assert any(
        trial.finished and trial.finished.reason.startswith(f"limits.{name}: ")
        for trial in state.trials.values()
    )


def test_what_confirmation_takes_is_kept_back() -> None:
    confirm = {"candidates": 2, "seeds": 2}
    config = configure("random", 1000, limits={"hours": 12.0}, confirm=confirm)
    state, conductor = timed(config, seconds=360)
    assert conductor.finished
    repeats = [trial for trial in state.trials.values() if trial.confirms is not None]
    assert [trial.status for trial in repeats] == ["completed"] * 4
    assert 6.0 < usage(state).hours < 12.2


def test_time_between_sessions_is_not_spent_and_a_larger_limit_lets_the_search_go_on() -> None:
    record: list[Event] = []
    config = configure("random", 1000, limits={"hours": 1.0})
    session(config, record, 360, began=0.0, slices=4)
    assert not make(config, record, lambda: 1e6).finished
    state, conductor = session(config, record, 360, began=1e6)
    assert conductor.finished
    assert 1.0 <= usage(state).hours <= 1.1
    assert make(config, record, lambda: 2e6).finished
    larger = configure("random", 1000, limits={"hours": 2.0})
    assert not make(larger, record, lambda: 2e6).finished
    state, _ = session(larger, record, 360, began=2e6)
    assert 2.0 <= usage(state).hours <= 2.1


@pytest.mark.parametrize("set_by", [86_400.0, -86_400.0], ids=["ahead", "back"])
def test_a_clock_that_is_set_neither_ends_nor_prolongs_a_search(set_by: float) -> None:
    began = 1_800_000_000.0
    for limits in ({"hours": 1.0}, {"device_hours": 4.0}, {"cost": 6.0, "price": 3.0}):
        config = configure("random", 1000, limits=limits)
        plain, disturbed = list[Event](), list[Event]()
        session(config, plain, 360, began)
        state, _ = session(config, disturbed, 360, began, set_by=set_by)
        assert timeless(disturbed) == timeless(plain)
        assert [event.time for event in disturbed] == [event.time for event in plain]
        assert 1.0 <= usage(state).hours <= 1.1


def test_events_and_conductors_go_by_the_clock_of_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    before = time.time()
    monkeypatch.setattr(time, "time", lambda: before + 86_400)
    record: list[Event] = []
    config = configure("random", 3, limits={"hours": 1.0})
    conductor = make(config, record)
    for event in (SessionStarted(session=0, trials=3, command="", host="h", pid=1), BASE):
        conductor.state.apply(event)
    assert conductor.next_trial() == 0
    assert conductor.report(0, train(conductor.request(0)))
    assert abs(record[-1].time - before) < 600


def test_a_kill_between_rung_and_decision_does_not_bill_the_time_away() -> None:
    record: list[Event] = []
    config = configure("random", 1000, limits={"hours": 2.0})
    session(config, record, 360, began=0.0, slices=3)
    while not isinstance(record[-1], RungReached):
        record.pop()
    state, conductor = session(config, record, 360, began=1e6)
    assert conductor.finished
    assert 2.0 <= usage(state).hours <= 2.2
    assert state.searched > 5


@pytest.mark.parametrize("groups", [1, 4, 32])
def test_confirmation_has_its_time_however_many_groups_there_are(groups: int) -> None:
    config = configure(
        "random", 1000, limits={"hours": 10.0}, objectives=LENIENT, confirm={"candidates": 3, "seeds": 2}
    )

    class Curves:
        baseline = BASE

        def reply(self, request: TrainRequest) -> Reply:
            seconds = 100.0 * (request.to_step - request.from_step)
            return train(request).model_copy(update={"train_seconds": seconds, "eval_seconds": 0.0})

    state = simulate(config, Curves(), groups).state
    repeats = [trial for trial in state.trials.values() if trial.confirms is not None]
    assert [trial.status for trial in repeats] == ["completed"] * 6
    assert usage(state).hours < 10.8


def test_nothing_is_kept_back_where_there_is_nothing_to_confirm() -> None:
    floor = {"metric": "retention", "direction": "max", "floor": 2.0}
    loss = {"metric": "train_loss", "direction": "min"}
    config = configure(
        "random", 1000, limits={"hours": 5.0}, objectives=[loss, floor], confirm={"candidates": 3, "seeds": 5}
    )
    state, _ = timed(config, 360)
    assert usage(state).hours >= 5.0


def test_no_limit_is_no_limit() -> None:
    state, conductor = timed(configure("random", 12), seconds=1e6)
    assert conductor.finished
    assert state.searched == 12


def test_only_the_request_of_the_full_budget_is_the_last_and_costs_are_kept_by_part() -> None:
    record: list[Event] = []
    conductor = conduct(configure("random", trials=3, scheduler={"name": "none"}), record)
    rungs = [event for event in record if isinstance(event, RungReached)]
    assert {event.step for event in rungs} == {3, 9, 27}
    assert all(event.eval_parts == {"heldout": 0.06, "generation": 0.04} for event in rungs)
    assert all(event.items_file == f"{event.checkpoint}.items.parquet" for event in rungs)
    fresh = make(configure("random", trials=3), [])
    number = fresh.next_trial()
    assert number is not None
    assert [fresh.request(number).last] == [False]
    single = make(configure("random", trials=3, budget={"steps": 27, "rungs": 1}), [])
    assert single.next_trial() is not None
    assert single.request(0).last
    assert conductor.finished


@pytest.mark.parametrize("scheduler", ["none", "moasha"])
def test_what_follows_from_a_reply_is_what_the_conductor_asks_for(scheduler: str) -> None:
    """A trial's actor makes later requests by itself; those of a resumed search come from the record."""
    conductor = make(configure("random", trials=1, scheduler={"name": scheduler}), [])
    number = conductor.next_trial()
    assert number is not None
    request, folders = conductor.request(number), []
    for step, following in ((3, 9), (9, 27)):
        reply = train(request)
        assert conductor.report(number, reply)
        assert isinstance(request, TrainRequest)
        request = request.following(reply, following, last=following == 27)
        assert request == conductor.request(number)
        assert request.load_from == reply.checkpoint
        assert request.earlier == tuple(folders), "where it begins again if the last checkpoint is damaged"
        folders.insert(0, (step, request.load_from))
    assert conductor.report(number, train(request)) is False
