"""Which trials are repeated before one is recommended."""

from __future__ import annotations

from collections import Counter
from typing import Any

from search.judging.racing import candidates
from search.judging.recommend import recommend
from search.record import Event, SearchStarted
from tests.search.test_conductor import BASE, LENIENT, conduct, configure, make, train


def test_an_extended_search_repeats_its_new_best_and_keeps_its_trials_apart() -> None:
    record: list[Event] = []
    more: dict[str, Any] = {"objectives": LENIENT, "confirm": {"candidates": 1, "seeds": 2}}
    first = conduct(configure(trials=5, **more), record).state
    assert len(first.trials) == 7
    state = conduct(configure(trials=40, **more), record).state
    assert state.searched == 40
    best = candidates(configure(trials=40, **more), state)[0].number
    assert best > 6, "the longer search was to find a better one"
    assert Counter(trial.confirms for trial in state.trials.values())[best] == 2


def test_the_next_best_are_repeated_where_no_candidate_holds_up() -> None:
    """Repetitions of the two trials with the lowest loss break the floor, which they kept by luck."""
    config = configure(
        "random", 12, objectives=LENIENT, scheduler={"name": "none"}, confirm={"candidates": 2, "seeds": 2}
    )
    started = SearchStarted(
        search_id="s", config=config.model_dump(mode="json"), fingerprints={}, versions={}
    )
    record: list[Event] = [started, BASE]
    conductor = make(config, record)
    lucky: set[int] = set()
    while not conductor.finished:
        number = conductor.next_trial()
        assert number is not None
        repeats = conductor.state.trials[number].confirms
        if repeats is not None and len(lucky) < 3:
            lucky.add(repeats)
        reply, goes_on = train(conductor.request(number)), True
        while goes_on:
            if repeats in lucky:
                reply = reply.model_copy(
                    update={"metrics": reply.metrics | {"capability": 0.01}, "intervals": {}}
                )
            goes_on = conductor.report(number, reply)
            reply = train(conductor.request(number)) if goes_on else reply
    state = conductor.state
    repeated = Counter(trial.confirms for trial in state.trials.values() if trial.confirms is not None)
    chosen = candidates(config, state)
    assert len(chosen) == 4, "three were lucky, and the fourth holds up"
    assert repeated == {trial.number: 2 for trial in chosen}
    assert recommend(state).trial == chosen[-1].number
    assert make(config, record).finished, "a search that is resumed sees it alike"


def test_a_search_without_a_sound_trial_repeats_nothing() -> None:
    record: list[Event] = []
    floor = {"metric": "retention", "direction": "max", "floor": 2.0}
    loss = {"metric": "train_loss", "direction": "min"}
    state = conduct(configure(objectives=[loss, floor], confirm={"candidates": 2}), record).state
    assert all(trial.confirms is None for trial in state.trials.values())
