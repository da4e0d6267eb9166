"""How many trials are given out at once: as many as the groups that are up can train."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future
from types import SimpleNamespace

import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayActorError

from search.groups.dispatcher import Dispatcher
from search.groups.slots import SlotTable
from search.record import Event
from search.tune.actors import Actors, Polled
from search.tune.adapters import ConductedSearch
from tests.records import make_config
from tests.search.slot_scenes import join
from tests.search.test_conductor import conduct
from trainables.messages import GroupFacts


def test_capacity_follows_the_groups_that_join() -> None:
    table = SlotTable()
    for name in ("a", "b", "c"):
        table.add_group(name)
    assert table.capacity() == 0
    join(table, "b", 4)
    assert table.capacity() == 12, "those to come count as the first"
    join(table, "a", 2)
    assert table.capacity() == 10
    join(table, "c", 1)
    assert table.capacity() == 7


def test_capacity_follows_the_groups_that_restart_and_end() -> None:
    table = SlotTable()
    for name in ("a", "b", "c"):
        table.add_group(name)
    join(table, "a", 4)
    join(table, "b", 2)
    table.end_group("c", "it could not be started")
    assert table.capacity() == 6
    table.down("a")
    assert table.capacity() == 2
    join(table, "a", 3)
    assert table.capacity() == 5
    for name in ("a", "b"):
        table.end_group(name, "gone")
    assert table.capacity() == 0


def test_the_dispatcher_says_its_groups_capacity() -> None:
    async def scene() -> None:
        dispatcher = Dispatcher()
        await dispatcher.add_group("a")
        start = await dispatcher.begin("a", "token")
        assert start is not None
        await dispatcher.join("a", start, GroupFacts("cpu", "model", "data", 1.0, slots=3, packing=""))
        assert await dispatcher.capacity() == 3

    asyncio.run(scene())


class Slots:
    """A number that a test sets."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self) -> int:
        return self.count


def given(search: ConductedSearch, tag: str) -> list[str]:
    """Ids of the trials that are given until there are no more for now."""
    ids = []
    while isinstance(search.suggest(trial_id := f"{tag}{len(ids)}"), dict):
        ids.append(trial_id)
    return ids


def begun(slots: Slots) -> ConductedSearch:
    config = make_config(20, searcher={"name": "random"})
    record: list[Event] = []
    conductor = conduct(config, record, events_at_most=1)
    return ConductedSearch(conductor, slots, lambda number: None, Actors(clock=lambda: 0.0))


def run(search: ConductedSearch, *trials: str) -> None:
    """What Tune says once the trials have their actors."""
    for trial in trials:
        search.actors.on_trial_start(0, [], SimpleNamespace(trial_id=trial))


def test_trials_at_once_follow_the_slots() -> None:
    slots = Slots(3)
    search = begun(slots)
    first = given(search, "a")
    assert len(first) == 3
    slots.count = 5
    second = given(search, "b")
    assert len(second) == 2
    run(search, *first, *second)
    slots.count = 4
    search.on_trial_complete(first[0])
    assert given(search, "c") == [], "4 are still there"
    search.on_trial_complete(first[1])
    assert len(given(search, "d")) == 1


@pytest.mark.parametrize("count", [0, -1])
def test_one_trial_is_given_where_no_group_is_up(count: int) -> None:
    search = begun(Slots(count))
    assert len(given(search, "a")) == 1


class Actor:
    """Hands out futures, which a test then answers."""

    def __init__(self) -> None:
        self.asked: list[Future[int]] = []

    def ask(self) -> Future[int]:
        self.asked.append(Future())
        return self.asked[-1]


def test_an_answer_is_not_waited_for_and_nothing_is_asked_twice() -> None:
    actor = Actor()
    polled = Polled(actor.ask, first=7, interval=0.0)
    assert [polled() for _ in range(3)] == [7, 7, 7]
    assert len(actor.asked) == 1
    actor.asked[0].set_result(4)
    assert polled() == 4
    assert polled() == 4
    assert len(actor.asked) == 2


def test_it_is_asked_again_only_after_the_interval() -> None:
    actor = Actor()
    polled = Polled(actor.ask, first=7, interval=0.1)
    polled()
    actor.asked[0].set_result(4)
    began = time.monotonic()
    while len(actor.asked) == 1:
        assert time.monotonic() < began + 5
        assert polled() == 4
    assert time.monotonic() - began > 0.05


@pytest.mark.parametrize("error", [ActorDiedError(), ActorUnavailableError("no answer", b"\0" * 16)])
def test_the_last_answer_holds_while_the_actor_is_away(error: RayActorError) -> None:
    actor = Actor()
    polled = Polled(actor.ask, first=7, interval=0.0)
    polled()
    actor.asked[0].set_exception(error)
    assert polled() == 7
    polled()
    actor.asked[1].set_result(2)
    assert polled() == 2


def test_an_error_of_the_actors_own_is_raised() -> None:
    actor = Actor()
    polled = Polled(actor.ask, first=7)
    polled()
    actor.asked[0].set_exception(KeyError("g"))
    with pytest.raises(KeyError):
        polled()
