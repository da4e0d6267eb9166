"""A search that is cut off at any event goes on as if nothing had happened."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.conductor import Conductor
from search.config.schema import BudgetConfig, SchedulerConfig, SearchConfig, SearcherConfig
from search.config.space import CategoricalParameter, FloatParameter
from search.record import BaselineMeasured, Event, RungReached, SearchState, TrialFinished, TrialProposed
from search.schedulers import make_scheduler
from search.searchers import make_searcher
from search.space import SearchSpace
from trainables.messages import Reply, TrainRequest
from trainables.settings import CapabilityConfig, ModelConfig, SkillConfig, TaskConfig

BASE = BaselineMeasured(name="base", metrics={"capability": 0.8, "train_loss": 4.0}, seconds=0.1)


def configure(searcher: str = "tpe", trials: int = 9) -> SearchConfig:
    return SearchConfig(
        space="test",
        name="test",
        trials=trials,
        model=ModelConfig(name="m", source="embedded"),
        task=TaskConfig(name="t", train="t.jsonl"),
        capability=CapabilityConfig(skills=(SkillConfig(name="s", path="s.jsonl"),)),
        parameters={
            "lr": FloatParameter(type="log-float", low=1e-5, high=1e-2, points=4),
            "rank": CategoricalParameter(type="categorical", choices=(4, 8)),
        },
        budget=BudgetConfig(steps=27),
        searcher=SearcherConfig(name=searcher, startup=4),
        scheduler=SchedulerConfig(name="asha"),
    )


def train(request: TrainRequest) -> Reply:
    """What a worker would answer: a smooth stand-in for training, a function of the request alone."""
    lr = float(request.params["lr"] or 0)
    if lr > 8e-3:
        return Reply("diverged", "loss nan", request.from_step + 1, {"train_loss": math.nan})
    loss = 4 - 0.4 * math.log10(lr / 1e-5) * (request.to_step / 27) ** 0.3
    capability = 0.8 / (1 + (lr / 3e-3) ** 2)
    return Reply(
        "ok",
        step=request.to_step,
        metrics={"train_loss": loss, "capability": capability},
        intervals={"capability": (capability - 0.05, capability + 0.05, 200)},
        checkpoint=request.save_to,
        train_seconds=1.0,
        eval_seconds=0.1,
        tokens=64 * (request.to_step - request.from_step),
        padding=0.125,
        pack=2.5,
    )


def conduct(config: SearchConfig, record: list[Event], events_at_most: int | None = None) -> Conductor:
    """Runs one trial at a time until the search is finished or the record is long enough to be cut."""
    space = SearchSpace(config.parameters, config.fixed)
    conductor = Conductor(
        config, space, make_searcher(config, space), make_scheduler(config), record.append, list(record)
    )
    if not conductor.state.baselines:
        record.append(BASE)
        conductor.state.apply(BASE)
    while not conductor.finished and (events_at_most is None or len(record) < events_at_most):
        number = conductor.next_trial()
        if number is None:
            break
        while conductor.report(number, train(conductor.request(number))):
            pass
    return conductor


def timeless(record: list[Event]) -> list[dict[str, object]]:
    return [event.model_dump(mode="json", exclude={"time"}) for event in record]


@pytest.fixture(scope="module", params=["tpe", "random", "grid"])
def whole(request: pytest.FixtureRequest) -> tuple[SearchConfig, list[Event]]:
    config = configure(request.param, trials=9 if request.param != "grid" else 8)
    record: list[Event] = []
    conduct(config, record)
    return config, record


@settings(max_examples=40, deadline=None)
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
    finished = Counter(event.trial for event in record if isinstance(event, TrialFinished))
    assert finished == Counter(range(config.trials))
    rungs: dict[int, list[int]] = {}
    for event in record:
        if isinstance(event, RungReached):
            rungs.setdefault(event.trial, []).append(event.rung)
    assert all(seen == list(range(len(seen))) for seen in rungs.values())


def test_retention_is_capability_over_the_base_and_carries_its_interval(
    whole: tuple[SearchConfig, list[Event]],
) -> None:
    for event in whole[1]:
        if isinstance(event, RungReached):
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


def test_a_lost_trial_goes_on_from_its_last_rung_and_is_given_up_after_three_losses() -> None:
    config, record = configure(trials=1), [BASE]
    events: list[Event] = list(record)
    space = SearchSpace(config.parameters, {})
    conductor = Conductor(
        config, space, make_searcher(config, space), make_scheduler(config), events.append, record
    )
    number = conductor.next_trial()
    assert number == 0
    assert conductor.report(0, train(conductor.request(0)))
    for _ in range(3):
        conductor.lose(0, "node gone")
        assert conductor.next_trial() == 0
        assert conductor.request(0).from_step == config.budget.rung_steps[0]
    conductor.lose(0, "node gone")
    assert conductor.finished
    assert conductor.state.trials[0].status == "failed"


def test_an_aborted_session_leaves_trials_for_the_next() -> None:
    config, record = configure(trials=3), [BASE]
    events: list[Event] = list(record)
    space = SearchSpace(config.parameters, {})
    conductor = Conductor(
        config, space, make_searcher(config, space), make_scheduler(config), events.append, record
    )
    conductor.next_trial()
    conductor.abort("no group is left")
    assert conductor.finished
    assert conductor.next_trial() is None
    resumed = conduct(config, events)
    assert [trial.status for trial in resumed.state.trials.values()].count("running") == 0


def test_a_diverged_trial_keeps_its_reason_and_is_never_running() -> None:
    record: list[Event] = []
    config = configure("grid", trials=8)
    state = SearchState.from_events(conduct(config, record) and record)
    diverged = [trial for trial in state.trials.values() if trial.status == "diverged"]
    assert diverged
    assert all(trial.finished and trial.finished.failure_class == "diverged" for trial in diverged)
    assert all(isinstance(trial.proposed, TrialProposed) for trial in diverged)
