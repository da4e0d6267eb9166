"""Rungs at which a measurement would take longer than stopping there can save."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.record import BaselineMeasured, TrialState
from search.searchers import make_searcher
from search.searchers.base import TrialOutcome
from search.simulate import Simulated, simulate
from search.space import SearchSpace
from tests.search.conducting import configure
from trainables.messages import EarlyRungs, Reply, TrainRequest

RUNGS = (3, 9, 27)


@dataclass(frozen=True)
class Costs:
    """Trials that all cost the same, and of which the later ones are worse."""

    step: float
    evaluation: float
    known: bool = True

    @property
    def baseline(self) -> BaselineMeasured | None:
        """Says what a measurement takes, where that is known."""
        base = BaselineMeasured(name="base", metrics={"capability": 1.0}, seconds=self.evaluation)
        return base if self.known else None

    def reply(self, request: TrainRequest) -> Reply:
        """Of a rung."""
        return Reply(
            "ok",
            step=request.to_step,
            metrics={"train_loss": 1.0 + request.trial, "capability": 1.0 / (1.0 + request.trial)},
            items={"s": "1"},
            checkpoint=request.save_to,
            train_seconds=self.step * (request.to_step - request.from_step),
            eval_seconds=self.evaluation,
        )


def searched(costs: Costs, workers: int = 1, **changes: Any) -> Simulated:
    chosen = {"scheduler": {"name": "moasha"}, "budget": {"steps": 27, "early_ratio": 3}} | changes
    return simulate(configure("random", **chosen), costs, workers)


def steps_measured(trial: TrialState) -> list[int]:
    return [rung.step for rung in trial.rungs if rung.measured]


@pytest.mark.parametrize(
    ("evaluation", "expected"),
    [
        (6.0, [3, 9, 27]),  # the rest of the training, 24 and 18 s, is 3 times as long
        (6.1, [3, 27]),
        (8.0, [3, 27]),
        (8.1, [27]),
        (100.0, [27]),
    ],
)
def test_a_rung_is_measured_where_the_rest_takes_three_times_as_long(
    evaluation: float, expected: list[int]
) -> None:
    (trial,) = searched(Costs(1.0, evaluation), trials=1).state.trials.values()
    assert steps_measured(trial) == expected
    assert [rung.step for rung in trial.rungs] == list(RUNGS)
    assert trial.eval_seconds == pytest.approx(evaluation * len(expected))
    assert [rung.checkpoint is not None for rung in trial.rungs] == [True] * 3, "it can go on from there"


def test_what_nobody_knows_the_time_of_is_measured_and_then_known() -> None:
    first, second, *_ = searched(Costs(1.0, 100.0, known=False), trials=3).state.trials.values()
    assert steps_measured(first) == [3, 27]
    assert steps_measured(second) == [27]


def test_the_rule_takes_the_least_that_a_measurement_is_known_to_take() -> None:
    def pays(seconds: float | None, most: float | None, more: bool = False) -> bool:
        return EarlyRungs(27, 3, seconds, most).pays(3, 1.0, asks_more_at_last=more)  # 24 s are left

    assert not pays(None, 100.0)
    assert pays(None, 100.0, more=True), "less is measured early, and nobody knows how much"
    assert pays(30.0, 0.5), "a first measurement may be slow"
    assert not pays(9.0, 9.0)
    assert not pays(9.0, 10.0, more=True)
    assert pays(9.0, 40.0, more=True), "stopping saves the long measurement at the end, too"


def test_what_measurements_take_is_known_with_many_trials_at_once() -> None:
    trials = searched(Costs(1.0, 100.0, known=False), workers=64, trials=128).state.trials.values()
    early = [len(steps_measured(trial)) - 1 for trial in trials]
    assert sum(early[64:]) == 0


def test_a_training_loss_alone_ranks_trials_wherever_they_are() -> None:
    loss = [{"metric": "train_loss", "direction": "min"}]
    searched_by_loss = searched(Costs(1.0, 100.0), trials=12, objectives=loss)
    by_status = Counter(trial.status for trial in searched_by_loss.state.trials.values())
    assert by_status["stopped"] > 0
    assert all(set(steps_measured(trial)) <= {27} for trial in searched_by_loss.state.trials.values())


def test_a_trial_that_a_limit_ends_unmeasured_teaches_nothing() -> None:
    """As where no trial was begun: else the searcher keeps away from where it was."""
    seen: list[TrialOutcome] = []

    class Watching:
        def observe(self, outcome: TrialOutcome) -> None:
            seen.append(outcome)

        def __getattr__(self, name: str) -> Any:
            return getattr(searcher, name)

    config = configure("random", scheduler={"name": "moasha"}, limits={"hours": 105 / 3600}, trials=3)
    searcher = make_searcher(config, SearchSpace(config.parameters, config.fixed))
    simulate(config, Costs(1.0, 100.0), 1, searcher=Watching())
    (ended,) = seen
    assert (ended.status, ended.rungs) == ("cancelled", ())


@pytest.mark.parametrize(
    "changes", [{"budget": {"steps": 27, "early_ratio": 0}}, {"scheduler": {"name": "none"}}]
)
def test_all_is_measured_where_that_is_asked_for_or_nothing_could_be_stopped(changes: dict[str, Any]) -> None:
    for trial in searched(Costs(1.0, 100.0), **changes).state.trials.values():
        assert all(rung.measured for rung in trial.rungs)


def test_repetitions_are_measured_at_their_end_alone() -> None:
    confirmed = searched(Costs(1.0, 0.1), trials=4, confirm={"candidates": 1, "seeds": 2})
    trials = confirmed.state.trials.values()
    assert [steps_measured(trial) for trial in trials if trial.confirms is not None] == [[27], [27]]
    assert steps_measured(next(iter(trials))) == list(RUNGS)


@settings(max_examples=40, deadline=None)
@given(
    st.builds(Costs, st.floats(0, 3), st.floats(0, 30), st.booleans()),
    st.integers(1, 4),
    st.sampled_from(
        [{"name": "asha"}, {"name": "moasha"}, {"name": "moasha", "variant": "promotion", "brackets": 2}]
    ),
    st.sampled_from([0.5, 3.0, 20.0]),
)
def test_what_was_not_measured_decides_nothing(
    costs: Costs, workers: int, scheduler: dict[str, Any], ratio: float
) -> None:
    budget = {"steps": 27, "early_ratio": ratio}
    simulated = searched(costs, workers, trials=12, scheduler=scheduler, budget=budget)
    for trial in simulated.state.trials.values():
        assert trial.eval_seconds == pytest.approx(costs.evaluation * len(steps_measured(trial)))
        for rung in trial.rungs:
            decided = trial.decisions.get(rung.rung)
            if not rung.measured:
                assert decided is not None
                assert decided.decision == "continue"
                assert set(rung.metrics) == {"train_loss"}
                assert (rung.eval_seconds, rung.items) == (0.0, {})
        assert trial.last is not None
        assert trial.last.measured, "no trial ends where it was not"
