"""The checklist after a run: simulated curves with known faults, and records of searches."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.checklist.__main__ import main
from analysis.checklist.check import CHECKS, Answer, Examined
from analysis.checklist.curve import Curve
from analysis.checklist.run import count, examine
from analysis.report.cards import cards
from analysis.report.context import Context
from search.record import Event, RungReached, SearchState, TrialFinished, TrialProposed, read_events
from tests.analysis.report_records import state_of
from tests.records import BEGIN, make_config, opening_events, trial_events, write_record
from trainables.interval import Interval

FIXTURE = Path(__file__).parents[1] / "fixtures" / "begun_before"
POINTS = 60


def examined(losses: Sequence[float], every: int = 2, **changes: Any) -> Examined:
    """A completed trial with this curve, a point every so many steps, at the budget of 90 steps."""
    proposed, reached, finished = trial_events(0, {"train_loss": 1.0})
    assert isinstance(reached, RungReached)
    curve = [((place + 1) * every, loss) for place, loss in enumerate(losses)]
    rung = reached.model_copy(update={"curve": curve, **changes})
    state = SearchState.from_events([*opening_events(), proposed, rung, finished])
    return Examined(Context(state, Path()), state.trials[0])


def ask(name: str, losses: Sequence[float], **changes: Any) -> Answer:
    return CHECKS[name].answer(examined(losses, **changes))


def decay(seed: int, noise: float, low: float = 0.6, points: int = POINTS) -> list[float]:
    """A loss from 4 towards 4 x `low`, with noise of this share of it."""
    random = np.random.default_rng(seed)
    places = np.arange(points)
    trend = 4 * (low + (1 - low) * np.exp(-places / 12))
    return [float(value) for value in trend * np.exp(noise * random.standard_normal(points))]


sound = st.builds(decay, st.integers(0, 10**6), st.floats(0, 0.05))
"""Curves of a training that goes well."""

few = settings(max_examples=30, deadline=None)


@few
@given(sound, st.sampled_from([1e-3, 1.0, 1e3]))
def test_a_sound_curve_passes_in_every_unit(losses: list[float], unit: float) -> None:
    for name in ("loss_falls", "no_spikes", "no_overshoot"):
        answer = ask(name, [loss * unit for loss in losses])
        assert answer.verdict == "pass", (name, answer)


@few
@given(sound, st.integers(10, POINTS - 1), st.floats(3, 50), st.integers(1, 3))
def test_a_spike_is_named_by_its_step(losses: list[float], at: int, times: float, length: int) -> None:
    for place in range(at, min(at + length, POINTS)):
        losses[place] *= times
    answer = ask("no_spikes", losses)
    assert answer.verdict == "fail"
    assert answer.numbers["spikes"][0]["step"] == 2 * (at + 1)


@pytest.mark.parametrize(("noise", "most"), [(0.3, 0), (0.45, 2), (0.6, 2)])
def test_a_loss_that_is_merely_noisy_seldom_has_spikes(noise: float, most: int) -> None:
    verdicts = []
    for seed in range(100):
        losses = np.maximum(0.01, 2 + 2 * noise * np.random.default_rng(seed).uniform(-1, 1, POINTS))
        verdicts.append(ask("no_spikes", losses.tolist()).verdict)
    assert verdicts.count("pass") >= 100 - most


def test_jumps_near_zero_are_no_spikes() -> None:
    losses = [4 * 0.8**place for place in range(40)] + [0.001, 0.2, 0.001, 0.0, 0.3]
    assert ask("no_spikes", losses).verdict == "pass"
    assert ask("no_spikes", [*losses, 3.0]).verdict == "fail"


@few
@given(sound)
def test_a_loss_that_rises_or_stays_does_not_fall(losses: list[float]) -> None:
    assert ask("loss_falls", losses[::-1]).verdict == "fail"
    assert ask("loss_falls", [3.0] * POINTS).verdict == "fail"
    alternating = [1.0, 5.0] * (POINTS // 2)
    assert ask("loss_falls", alternating).verdict == "cannot tell"


@few
@given(sound, st.floats(0.5, 2))
def test_rising_above_the_start_and_ending_above_the_lowest_are_overshooting(
    losses: list[float], height: float
) -> None:
    bump = [1 + height * math.exp(-(((place - 14) / 5) ** 2)) for place in range(POINTS)]
    over = ask("no_overshoot", [4 * factor for factor in bump])
    assert (over.verdict, over.numbers["highest_step"]) == ("fail", pytest.approx(30, abs=6))
    back = [loss * (1 + height * max(0, place - 30) / 30) for place, loss in enumerate(losses)]
    again = ask("no_overshoot", back)
    assert again.verdict == "fail"
    assert again.numbers["lowest_step"] < 2 * POINTS - 10


@pytest.mark.parametrize("name", ["loss_falls", "no_spikes", "no_overshoot"])
@pytest.mark.parametrize("losses", [[], [2.0], [2.0, 1.0, 0.5]])
def test_a_curve_of_few_points_cannot_tell(name: str, losses: list[float]) -> None:
    assert ask(name, losses).verdict == "cannot tell"


def test_losses_that_are_not_finite_and_trials_that_diverged_fail() -> None:
    assert ask("no_spikes", [*decay(0, 0.01), math.inf]).verdict == "fail"
    events = [*opening_events(), *trial_events(0, {"train_loss": 1.0})[:2]]
    ended = TrialFinished(trial=0, status="diverged", reason="loss nan at step 91", time=BEGIN)
    state = SearchState.from_events([*events, ended])
    answer = CHECKS["no_spikes"].answer(Examined(Context(state, Path()), state.trials[0]))
    assert (answer.verdict, "loss nan at step 91" in answer.text) == ("fail", True)


def reading(tokens: int, status: str = "completed", step: int = 90, **params: Any) -> Answer:
    """A trial of 8 examples a step of the 100 there are, 50 tokens long on average and 60 at most."""
    data = {"train": 100, "tokens": 50.0, "longest": 60}
    opening = [
        event.model_copy(update={"data": data}) if event.event == "baseline_measured" else event
        for event in opening_events()
    ]
    sampled = {"lr": 1e-3, "batch_size": 8} | params
    proposed = TrialProposed(trial=0, sampled=sampled, params=sampled, time=BEGIN)
    rung = RungReached(trial=0, rung=2, step=step, tokens=tokens, time=BEGIN)
    ended: list[Event] = [TrialFinished(trial=0, status="completed", reason="", time=BEGIN)]
    state = SearchState.from_events([*opening, proposed, rung, *(ended if status == "completed" else [])])
    return CHECKS["data_as_intended"].answer(Examined(Context(state, Path()), state.trials[0]))


def test_the_data_that_are_read_are_those_of_so_many_steps() -> None:
    whole = 90 * 8 * 50
    assert reading(whole).verdict == "pass"
    assert reading(whole).numbers["passes"] == pytest.approx(7.2)
    assert reading(whole // 2).verdict == "fail"
    assert reading(2 * whole).verdict == "fail"
    assert reading(whole, step=60).verdict == "fail"
    assert reading(60 * 8 * 50, status="running", step=60).verdict == "pass"
    assert reading(0).verdict == "cannot tell"
    assert reading(whole // 2, examples=10).verdict == "cannot tell"


def against_base(value: float, half: float, objective: dict[str, Any]) -> Answer:
    config = make_config(objectives=[objective, {"metric": "train_loss", "direction": "min"}])
    opening = [
        event.model_copy(
            update={
                "metrics": {"heldout_loss": 3.0, "retention": 1.0, "train_loss": 4.0},
                "intervals": {"heldout_loss": Interval(2.9, 3.1, 100)},
            }
        )
        if event.event == "baseline_measured"
        else event
        for event in opening_events(config)
    ]
    metric = objective["metric"]
    around = {metric: Interval(value - half, value + half, 100)}
    state = SearchState.from_events([*opening, *trial_events(0, {metric: value}, around)])
    return CHECKS["better_than_base"].answer(Examined(Context(state, Path()), state.trials[0]))


def test_better_than_the_base_is_by_more_than_the_noise() -> None:
    loss = {"metric": "heldout_loss", "direction": "min"}
    assert against_base(2.0, 0.1, loss).verdict == "pass"
    assert against_base(2.95, 0.1, loss).verdict == "cannot tell"
    assert against_base(4.0, 0.1, loss).verdict == "fail"


def test_what_must_be_kept_is_held_against_its_floor() -> None:
    floor = {"metric": "retention", "direction": "max", "floor": 0.9}
    assert against_base(0.7, 0.05, floor).verdict == "fail"
    assert against_base(0.92, 0.05, floor).verdict == "cannot tell"
    kept = against_base(0.97, 0.02, floor)
    assert kept.verdict == "cannot tell"  # nothing is better yet
    assert "keeps its floor" in kept.text


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Context:
    folder = tmp_path_factory.mktemp("whole")
    return Context(state_of("whole", folder), folder)


def test_the_card_counts_every_trial_once(whole: Context) -> None:
    (card,) = (each.card for each in cards() if each.name == "checklist")
    data = card.compute(whole).data
    for verdicts in data["counts"].values():
        assert sum(verdicts.values()) == len(whole.trials)
    assert data["counts"] == count(examine(whole, trial) for trial in whole.trials)


def test_a_real_record_of_before_is_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That search trained 9 steps at a learning rate that taught nothing, and was killed."""
    state = SearchState.from_events(read_events(FIXTURE))
    assert Curve.of(state.trials[0]).steps == tuple(range(1, 10))
    assert main([str(FIXTURE), "--trial", "0", "--json"]) == 0
    answers = json.loads(capsys.readouterr().out)["trial"]["checks"]
    assert {name: answer["verdict"] for name, answer in answers.items()} == {
        "loss_falls": "cannot tell",
        "no_spikes": "pass",
        "no_overshoot": "cannot tell",
        "data_as_intended": "pass",
        "better_than_base": answers["better_than_base"]["verdict"],
    }
    assert answers["data_as_intended"]["numbers"]["examples"] == 72


def test_the_command_line(tmp_path: Path, whole: Context, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    write_record(tmp_path / "search", [*opening_events(), *trial_events(0, {"train_loss": 1.0})])
    assert main([str(tmp_path / "search"), "--trial", "3"]) == 2
    assert main([str(tmp_path / "search"), "--trial", "0"]) == 0
    output = capsys.readouterr()
    assert "Trial 0" in output.out
    assert "Over 1 trial: pass, fail, cannot tell" in output.out
    assert "There is no trial 3." in output.err
