"""What a search takes over from an earlier one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from search.conductor import Conductor
from search.config.load import load_config
from search.config.schema import SearchConfig
from search.errors import ConfigError, SpaceChangedError
from search.plan import make_plan
from search.record import Event, TrialFinished, TrialProposed, WarmStarted
from search.record.events import Params
from search.resume import refuse_changes
from search.schedulers import make_scheduler
from search.searchers import make_searcher
from search.space import SearchSpace
from search.warm_start import WarmStartError, read_warm_start
from tests.records import make_config, make_events, opening_events, trial_events, write_record
from tests.search.config_files import write_space

LOSS = {"metric": "train_loss", "direction": "min"}
RETENTION = {"metric": "retention", "direction": "max", "floor": 0.95}


def point(lr: float, rank: int = 8) -> Params:
    return {"lr": lr, "rank": rank, "alpha_per_rank": 1}


def earlier(folder: Path, *trials: tuple[float, float, float], objectives: Any = (LOSS, RETENTION)) -> None:
    """Writes a search of completed trials, each with its learning rate, loss and retention."""
    events: list[Event] = opening_events(make_config(objectives=objectives))
    for number, (lr, loss, retention) in enumerate(trials):
        events += trial_events(number, {"train_loss": loss, "retention": retention}, sampled=point(lr))
    write_record(folder, events)


def take_over(folder: Path, use: str = "points", trials: int = 8, **changes: Any) -> WarmStarted:
    config = begin_with(folder, use, trials, **changes)
    return read_warm_start(config, SearchSpace(config.parameters, config.fixed))


def begin_with(folder: Path, use: str = "points", trials: int = 8, **changes: Any) -> SearchConfig:
    return make_config(warm_start={"search": str(folder), "use": use, "trials": trials}, **changes)


def rates(event: WarmStarted) -> list[Any]:
    return [trial.sampled["lr"] for trial in event.trials]


TRIALS = ((1e-3, 2.0, 0.99), (2e-3, 1.0, 0.96), (3e-3, 0.5, 0.5), (4e-3, 3.0, 1.0))


def test_points_are_the_best_trials_by_the_first_objective(tmp_path: Path) -> None:
    earlier(tmp_path, *TRIALS)
    event = take_over(tmp_path)
    assert rates(event) == [2e-3, 1e-3, 4e-3]
    assert event.search_id == "0123456789abcdef"
    assert event.trials[0].values == [1.0, 0.96]
    assert event.trials[0].violations == pytest.approx([-0.01])
    assert rates(take_over(tmp_path, trials=2)) == [2e-3, 1e-3]


def test_points_of_other_objectives_come_front_by_front(tmp_path: Path) -> None:
    earlier(tmp_path, (1e-3, 1.0, 0.96), (2e-3, 1.1, 0.955), (3e-3, 2.0, 0.99))
    other = [{"metric": "heldout_loss", "direction": "min"}]
    assert rates(take_over(tmp_path, objectives=other)) == [1e-3, 3e-3, 2e-3]
    assert rates(take_over(tmp_path)) == [1e-3, 2e-3, 3e-3]


def test_priors_keep_their_values_and_those_without_come_last(tmp_path: Path) -> None:
    earlier(tmp_path, *TRIALS)
    lost = point(5e-3)
    write_record(
        tmp_path,
        [
            TrialProposed(trial=4, sampled=lost, params=lost),
            TrialFinished(trial=4, status="diverged", reason="the loss became NaN"),
            TrialProposed(trial=5, sampled=point(6e-3), params=point(6e-3)),
        ],
    )
    event = take_over(tmp_path, "prior")
    assert rates(event) == [2e-3, 1e-3, 4e-3, 3e-3, 5e-3]
    assert [trial.values for trial in event.trials][3:] == [[0.5, 0.5], None]
    ceiling = [LOSS | {"ceiling": 1.5}]
    other = take_over(tmp_path, "prior", objectives=ceiling)
    assert rates(other) == [3e-3, 2e-3, 1e-3, 4e-3, 5e-3]
    assert [trial.violations for trial in other.trials] == [[-1.0], [-0.5], [0.5], [1.5], []]


def test_only_what_lies_in_the_space_is_taken_over_and_once(tmp_path: Path) -> None:
    events: list[Event] = opening_events()
    points: Sequence[Params] = [
        {"lr": 1e-3, "rank": 8, "alpha_per_rank": 1, "dropout": 0.1},
        {"lr": 1e-3, "rank": 8, "alpha_per_rank": 2},
        {"lr": 2e-3, "rank": 64},
        {"lr": 1.0, "rank": 8},
        {"rank": 8},
        {"lr": 2e-3, "rank": 4},
    ]
    for number, sampled in enumerate(points):
        metrics = {"train_loss": float(number), "retention": 1.0}
        events += trial_events(number, metrics, sampled=dict(sampled))
    repeated = TrialProposed(trial=9, sampled=points[5], params=points[5], origin="confirmation", repeats=5)
    finished = trial_events(9, {"train_loss": -1.0, "retention": 1.0}, sampled=dict(points[5]))
    write_record(tmp_path, [*events, repeated, *finished[1:]])
    parameters = {
        "lr": {"type": "log-float", "low": 1e-5, "high": 1e-2},
        "rank": {"type": "categorical", "choices": [4, 8]},
    }
    event = take_over(tmp_path, parameters=parameters)
    assert [trial.trial for trial in event.trials] == [0, 5]
    assert [trial.sampled for trial in event.trials] == [{"lr": 1e-3, "rank": 8}, {"lr": 2e-3, "rank": 4}]


def test_a_parameter_that_was_fixed_has_its_value(tmp_path: Path) -> None:
    """What is sampled now may have been fixed then: the trial's parameters say which value it had."""
    sampled: Params = {"lr": 1e-3}
    params: Params = sampled | {"rank": 8, "alpha_per_rank": 2, "alpha": 16, "seed": 1}
    _, *rest = trial_events(0, {"train_loss": 1.0, "retention": 1.0})
    write_record(tmp_path, [*opening_events(), TrialProposed(trial=0, sampled=sampled, params=params), *rest])
    (trial,) = take_over(tmp_path).trials
    assert trial.sampled == {"lr": 1e-3, "rank": 8, "alpha_per_rank": 2}


def _empty(folder: Path) -> None:
    folder.mkdir()


def _begun(folder: Path) -> None:
    write_record(folder, opening_events())


def _infeasible(folder: Path) -> None:
    earlier(folder, (1e-3, 1.0, 0.5))


def _outside(folder: Path) -> None:
    earlier(folder, (1.0, 1.0, 1.0))


def _unmeasured(folder: Path) -> None:
    earlier(folder, (1e-3, float("nan"), 1.0))


@pytest.mark.parametrize(
    ("make", "use", "message"),
    [
        (_empty, "points", "is not a search's folder"),
        (_begun, "points", "no trial of .* has finished"),
        (_begun, "prior", "no trial of .* has finished"),
        (_infeasible, "points", "keeps its constraints"),
        (_unmeasured, "prior", "has train_loss and retention at its full budget"),
        (_outside, "points", "is in this space; trial 0: lr 1.0 is outside"),
        (_outside, "prior", "is in this space"),
    ],
)
def test_what_cannot_be_taken_over_is_said(tmp_path: Path, make: Any, use: str, message: str) -> None:
    make(tmp_path / "earlier")
    with pytest.raises(WarmStartError, match=f"^warm_start.search: .*{message}") as caught:
        take_over(tmp_path / "earlier", use)
    assert caught.value.exit_code == 2
    assert caught.value.hint


def test_infeasible_trials_are_priors(tmp_path: Path) -> None:
    _infeasible(tmp_path / "earlier")
    assert rates(take_over(tmp_path / "earlier", "prior")) == [1e-3]


def test_the_folder_is_checked_with_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_space(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for given, message in (("missing", "no search missing"), ("empty", "empty is not a search's folder")):
        with pytest.raises(ConfigError) as caught:
            load_config(["space=space.yaml", f"warm_start.search={given}"])
        (problem,) = caught.value.problems
        assert (problem.key, problem.where) == (
            "warm_start.search",
            f"command line: warm_start.search={given}",
        )
        assert message in problem.message
    write_record(tmp_path / "earlier", make_events(4))
    config = load_config(["space=space.yaml", "warm_start.search=earlier"]).config
    assert config.warm_start is not None


def test_a_search_that_has_begun_needs_the_earlier_one_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_space(tmp_path)
    monkeypatch.chdir(tmp_path)
    write_record(tmp_path / "runs" / "mine", opening_events())
    load_config(["space=space.yaml", "name=mine", "warm_start.search=gone"])


def test_on_resume_the_folder_may_have_moved_but_not_what_it_is_for(tmp_path: Path) -> None:
    recorded = begin_with(tmp_path / "then").model_dump(mode="json")
    refuse_changes(recorded, begin_with(tmp_path / "now"))
    for other in (begin_with(tmp_path, "prior"), begin_with(tmp_path, trials=3), make_config()):
        with pytest.raises(SpaceChangedError, match="warm_start"):
            refuse_changes(recorded, other)


@pytest.mark.parametrize("use", ["points", "prior"])
def test_a_search_goes_on_from_its_record_as_it_began(tmp_path: Path, use: str) -> None:
    earlier(tmp_path, *TRIALS)
    config = begin_with(tmp_path, use, 3)
    space = SearchSpace(config.parameters, config.fixed)
    events: list[Event] = []

    def conduct() -> Conductor:
        return Conductor(
            config, space, make_searcher(config, space), make_scheduler(config), events.append, list(events)
        )

    first = conduct()
    event = read_warm_start(config, space)
    first.warm_start(event)
    for _ in range(4):
        first.next_trial()
    proposed = [trial.proposed for trial in first.state.trials.values()]
    if use == "points":
        assert [trial.origin for trial in proposed] == ["warm_start"] * 3 + ["searcher"]
        assert [trial.sampled for trial in proposed[:3]] == [trial.sampled for trial in event.trials]
    del events[3:]
    resumed = conduct()
    assert resumed.state.warm_start is not None
    numbers = [resumed.next_trial() for _ in range(4)]
    assert numbers == [0, 1, 2, 3]
    assert [trial.proposed.sampled for trial in resumed.state.trials.values()] == [
        trial.sampled for trial in proposed
    ]


def test_the_plan_shows_what_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_space(tmp_path)
    monkeypatch.chdir(tmp_path)
    events: list[Event] = opening_events()
    events += trial_events(0, {"train_loss": 1.0, "retention": 1.0}, sampled={"lr": 2e-3, "rank": 4})
    write_record(tmp_path / "earlier", events)
    words = ["space=space.yaml", "warm_start.search=earlier", "points=[{lr: 3e-4, rank: 4}]"]
    first = make_plan(load_config(words).config).first
    assert [trial.origin for trial in first[:3]] == ["listed", "warm_start", "searcher"]
    assert first[1].sampled == {"lr": 2e-3, "rank": 4}
