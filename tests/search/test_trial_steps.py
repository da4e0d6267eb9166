"""Searches whose trials have their own numbers of steps; rungs are shares of those."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.summary import summarise
from search.conductor import Conductor
from search.config.load import load_config
from search.epochs import Counted, in_steps
from search.errors import ConfigError
from search.judging.budget import budget_used
from search.record import Event, SearchStarted, SearchState, TrialFinished, TrialProposed
from search.run import main
from search.schedulers import make_scheduler
from search.searchers import make_searcher
from search.space import SearchSpace
from tests.search.conducting import BASE, configure, train
from tests.search.config_files import SPACE, write_space
from trainables.errors import UserError
from trainables.messages import TrainRequest

OWN = SPACE.replace("  steps: 9\n", "  steps: trial\n  rungs: 2\n")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_space(tmp_path, OWN)
    (tmp_path / "heldout.jsonl").write_text('{"text": "held out"}\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words(*more: str) -> list[str]:
    """Six examples to train on, in batches of four."""
    return ["space=space.yaml", "task.heldout=heldout.jsonl", *more]


def count(*more: str) -> Counted:
    return in_steps(load_config(words(*more)).config)


def problems(*more: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        count(*more)
    return {problem.key: f"{problem.message}; {problem.hint}" for problem in caught.value.problems}


EPOCHS = "parameters.epochs={type: categorical, choices: [2, 4, 8]}"


def test_steps_follow_from_epochs_and_examples_and_the_plan_shows_their_range(
    capsys: pytest.CaptureFixture[str],
) -> None:
    trials = count(EPOCHS, "parameters.examples={type: int, low: 5, high: 6}").trials
    assert trials is not None
    assert (trials.least, trials.most) == (3, 12)
    assert trials.of({"epochs": 8, "examples": 5, "batch_size": 4}) == 10
    assert main(words(EPOCHS, "fixed.examples=6", "--plan", "--json")) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["trial_steps"], plan["rungs"], plan["shares"]) == ([3, 12], [], [1 / 3, 1])
    assert all(trial["steps"] == 6 * trial["sampled"]["epochs"] / 4 for trial in plan["first"])
    assert main(words(EPOCHS, "--plan")) == 0
    assert "rungs at 33%, 100% of a trial's steps" in capsys.readouterr().out


def test_a_length_that_is_given_twice_or_not_at_all_is_refused() -> None:
    said = problems(EPOCHS, "budget.steps=9")
    assert "budget.steps is 9" in said["parameters.epochs"]
    assert "budget.steps=trial" in said["parameters.epochs"]
    assert "budget.epochs is 3" in problems("fixed.epochs=2", "budget.epochs=3")["fixed.epochs"]
    assert "no parameter says how long" in problems()["budget.steps"]
    assert "examples limits them" in problems("fixed.examples=4", "budget.epochs=8")["budget.epochs"]


@pytest.mark.parametrize(
    ("given", "key", "said"),
    [
        (["fixed.warmup=3"], "fixed.warmup", "a warm-up of 3 steps is no shorter than the training of 3"),
        (
            ["parameters.warmup={type: categorical, choices: [0.1, 20]}"],
            "parameters.warmup",
            "% of the space, a warm-up of 20 steps is no shorter than",
        ),
        (["fixed.warmup=40"], "fixed.warmup", "everywhere, a warm-up of 40 steps"),
        (["fixed.examples=7"], "fixed.examples", "7 examples, and there are 6 to train on"),
        (["budget.rungs=3"], "parameters.epochs", "of the space, 3 steps have no room for 3 rungs"),
    ],
)
def test_points_that_cannot_be_trained_are_refused_with_their_share(
    given: list[str], key: str, said: str
) -> None:
    found = problems(EPOCHS, *given)
    assert found.keys() == {key}
    assert said in found[key]


class TestConducted:
    """A search of which the conductor decides, with trials of 3 to 24 steps."""

    def config(self, **changes: Any) -> Any:
        parameters = {
            "lr": {"type": "log-float", "low": 1e-5, "high": 8e-3},
            "epochs": {"type": "int", "low": 1, "high": 8},
        }
        budget = {"steps": "trial", "rungs": 2}
        return configure("random", parameters=parameters, budget=budget, **changes)

    def make(self, config: Any, record: list[Event]) -> Conductor:
        def steps(params: Any) -> int:
            if params["epochs"] == 5:
                raise UserError("not five")
            return int(3 * params["epochs"])

        space = SearchSpace(config.parameters, config.fixed)
        scheduler = make_scheduler(config)
        searcher = make_searcher(config, space)
        return Conductor(config, space, searcher, scheduler, record.append, list(record), steps=steps)

    def conduct(self, config: Any, record: list[Event], most: int = 10**6) -> Conductor:
        conductor = self.make(config, record)
        if conductor.state.started is None:
            data = config.model_dump(mode="json")
            for event in (SearchStarted(search_id="s", config=data, fingerprints={}, versions={}), BASE):
                record.append(event)
                conductor.state.apply(event)
        while len(record) < most and (number := conductor.next_trial()) is not None:
            while conductor.report(number, train(conductor.request(number))):
                pass
        return conductor

    def test_rungs_are_shares_and_trials_that_cannot_be_trained_end_at_once(self, tmp_path: Path) -> None:
        record: list[Event] = []
        conductor = self.conduct(self.config(trials=20, confirm={"candidates": 2}), record)
        state = conductor.state
        assert conductor.finished
        assert state.searched == 20
        for trial in state.trials.values():
            epochs = int(trial.params["epochs"] or 0)
            if epochs == 5:
                assert (trial.status, trial.proposed.steps, trial.rungs) == ("failed", None, [])
                assert trial.finished is not None
                assert trial.finished.reason == "not five"
                continue
            assert trial.proposed.steps == 3 * epochs
            assert [rung.step for rung in trial.rungs] == [epochs, 3 * epochs][: len(trial.rungs)]
        reasons = [event.reason for event in record if event.event == "decided"]
        assert any("rung 1/2 (33% of its steps)" in reason for reason in reasons)
        used = budget_used(state)
        searched = [trial for trial in state.trials.values() if trial.confirms is None]
        assert used.steps_full == sum(trial.proposed.steps or 0 for trial in searched)
        assert 0 < used.steps_saved == used.steps_full - used.steps_trained
        assert summarise(state, tmp_path)["budget"]["steps_full"] == used.steps_full

    @pytest.mark.parametrize("cut", [3, 8, 15, 22])
    def test_a_search_that_was_cut_off_anywhere_goes_on_as_if_it_had_not_been(self, cut: int) -> None:
        config = self.config(trials=9)
        whole: list[Event] = []
        self.conduct(config, whole)
        left = whole[:cut]
        self.conduct(config, left)
        plain = [[event.model_dump(exclude={"time"}) for event in record] for record in (whole, left)]
        assert plain[0] == plain[1]

    def test_a_kill_between_a_trial_and_its_end_leaves_no_trial_without_steps(self) -> None:
        record: list[Event] = []
        self.conduct(self.config(trials=20), record)
        place = next(i for i, e in enumerate(record) if isinstance(e, TrialProposed) and e.steps is None)
        left = record[: place + 1]
        self.make(self.config(trials=20), left)
        assert isinstance(left[-1], TrialFinished)
        assert (
            SearchState.from_events(left).unfinished.keys()
            == SearchState.from_events(record[: place + 2]).unfinished.keys()
        )


def test_the_next_rung_of_a_request_is_the_trials_own() -> None:
    record: list[Event] = []
    conducted = TestConducted()
    conductor = conducted.conduct(conducted.config(trials=3), record, most=3)
    number = conductor.next_trial()
    assert number is not None
    request = conductor.request(number)
    assert isinstance(request, TrainRequest)
    assert (request.to_step, request.last) == (conductor.rungs(number)[0], False)


def test_a_prompt_in_place_of_training_needs_the_beliefs_that_it_states() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(["space=demo", "baselines=[base,in_context]"])
    (problem,) = caught.value.problems
    assert (problem.key, "needs capability.facts" in problem.message) == ("baselines.1", True)
    config = load_config(["space=belief"]).config
    assert config.baselines == ("base", "in_context")
    trials = in_steps(config).trials
    assert trials is not None
    # 10 to 100 examples of each of the two beliefs, 3 to 20 times, in batches of 4.
    assert (trials.least, trials.most) == (15, 1000)
