"""Tune is given a trial only where an actor is free, or another is worth its start."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from search.cluster import prepare_environment
from search.tune.actors import START_SECONDS, Actors
from tests.ray_cluster import RAY_ENVIRONMENT
from trainables.serving.line import Call


class Clock:
    """A time that the test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def start(actors: Actors, *trials: str) -> None:
    for trial in trials:
        actors.on_trial_start(0, [], SimpleNamespace(trial_id=trial))


def filled(clock: Clock, *trials: str) -> Actors:
    """Actors with trials that all run."""
    actors = Actors(clock)
    for trial in trials:
        assert actors.may_begin, "the first trials come all at once"
        actors.give(trial)
    start(actors, *trials)
    return actors


def test_a_free_actor_is_taken_at_once_and_only_once() -> None:
    actors = filled(Clock(), "a", "b")
    actors.end("a", dead=False)
    assert actors.may_begin
    actors.give("c")
    assert not actors.may_begin, "the next would need an actor of its own"
    start(actors, "c")
    assert not actors.may_begin


def test_no_trial_is_given_while_another_waits_for_its_actor() -> None:
    clock = Clock()
    actors = filled(clock, "a")
    actors.give("b")
    actors.end("a", dead=False)
    clock.now += 10 * START_SECONDS
    assert not actors.may_begin, "b takes the actor of a"
    start(actors, "b")
    assert not actors.may_begin, "nothing is free, and b has only begun"


def test_trials_that_run_for_long_get_company() -> None:
    clock = Clock()
    actors = filled(clock, "a", "b")
    actors.end("a", dead=False)
    actors.give("c")
    start(actors, "c")
    clock.now += START_SECONDS
    assert actors.may_begin
    actors.give("d")
    assert not actors.may_begin


def test_an_actor_that_died_is_not_free() -> None:
    actors = filled(Clock(), "a", "b")
    actors.end("a", dead=True)
    assert not actors.may_begin
    actors.end("b", dead=True)
    assert actors.may_begin, "nothing would ever end otherwise"


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    """A Ray cluster of this process; what is set for it does not outlive it."""
    with mock.patch.dict(os.environ, RAY_ENVIRONMENT):
        prepare_environment()
        import ray

        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
        try:
            yield
        finally:
            ray.shutdown()


@pytest.mark.integration
@pytest.mark.alone
@pytest.mark.usefixtures("local_ray")
def test_trials_shorter_than_an_actors_start_cost_no_process_each(tmp_path: Path) -> None:
    from ray._private.state import actors as actor_table

    from benchmarks.scale import InstantGroups, configure
    from search.conductor import Conductor
    from search.record import Event
    from search.schedulers import make_scheduler
    from search.searchers import make_searcher
    from search.space import SearchSpace
    from search.tune.loop import run_tune

    config = configure(40, "asha")
    space = SearchSpace(config.parameters, config.fixed)
    events: list[Event] = []
    conductor = Conductor(config, space, make_searcher(config, space), make_scheduler(config), events.append)
    groups: Any = InstantGroups(4)
    run_tune(conductor, groups, 4, tmp_path / "tune", tmp_path)
    classes = [row["ActorClassName"] for row in actor_table().values()]
    assert sum(event.event == "trial_finished" for event in events) == 40
    started = [name for name in classes if "InstantDispatcher" not in name]
    assert 1 <= len(started) <= 12, classes


class Hearing:
    """Counts its calls; the first two are never answered, or all are answered late."""

    def __init__(self) -> None:
        self._calls = 0

    async def ask(self) -> int:
        self._calls += 1
        if self._calls <= 2:
            await asyncio.Event().wait()
        return self._calls

    async def ask_slowly(self) -> int:
        self._calls += 1
        call = self._calls
        await asyncio.sleep(1.5)
        return call


@pytest.mark.integration
@pytest.mark.alone
@pytest.mark.usefixtures("local_ray")
def test_a_call_without_a_reply_is_made_again_and_one_with_a_late_reply_has_it() -> None:
    import ray

    deaf, slow = (ray.remote(num_cpus=0)(Hearing).remote() for _ in range(2))
    assert Call(lambda: deaf.ask.remote(), seconds=0.5).reply() > 2
    assert Call(lambda: slow.ask_slowly.remote(), seconds=0.5).reply() == 1
    call = Call(lambda: slow.ask_slowly.remote())
    assert not call.done()
    assert call.reply() > 1
    assert call.done()
