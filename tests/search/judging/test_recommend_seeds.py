"""The recommendation of a space that has seeds of its own: settings are compared by their means."""

from __future__ import annotations

from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.judging.recommend import recommend
from search.record import Event, SearchState, TrialFinished, TrialProposed
from search.record.explained import explanation
from tests.records import make_config, opening_events, trial_events
from trainables.interval import Interval

CONFIG = make_config()
OPENING = opening_events(CONFIG)
EXPLAINED = OPENING[0].model_copy(update={"trainable": explanation(CONFIG.trainable, CONFIG.options)})
SURE = {"retention": Interval(low=0.96, high=1.0, n=2000)}


def state_of(*runs: tuple[float, int, float, float]) -> SearchState:
    """A search of completed trials, each with lr, seed, loss and retention."""
    return SearchState.from_events(state_events(*runs))


def state_events(*runs: tuple[float, int, float, float]) -> list[Event]:
    events: list[Event] = [EXPLAINED, *OPENING[1:]]
    for number, (lr, seed, loss, retention) in enumerate(runs):
        metrics = {"train_loss": loss, "retention": retention}
        events += trial_events(number, metrics, SURE, {"lr": lr, "seed": seed})
    return events


def test_the_setting_with_the_best_mean_wins_over_the_luckiest_run() -> None:
    lucky = [(1e-3, 0, 1.0, 0.99), (1e-3, 1, 1.6, 0.99), (1e-3, 2, 1.6, 0.99)]
    steady = [(1e-4, 0, 1.3, 0.99), (1e-4, 1, 1.2, 0.99), (1e-4, 2, 1.3, 0.99)]
    recommended = recommend(state_of(*lucky, *steady))
    assert recommended.trial == 4, "the best run of that setting"
    assert recommended.reason.startswith("train_loss 1.27 [")
    assert (
        "mean over 3 seeds, the lowest train_loss of the 2 settings whose mean retention is at least 0.95"
        in (recommended.reason)
    )
    assert any("Trial 4 is the best of the 3 with this setting" in caveat for caveat in recommended.caveats)


def test_a_setting_whose_mean_breaks_a_constraint_is_out() -> None:
    broken = [(1e-3, 0, 1.0, 0.99), (1e-3, 1, 1.0, 0.80)]
    kept = [(1e-4, 0, 1.5, 0.97), (1e-4, 1, 1.5, 0.99)]
    recommended = recommend(state_of(*broken, *kept))
    assert recommended.trial in (2, 3)
    assert [each.word for each in recommended.constraints] == ["not shown to be kept"]


def test_where_every_mean_breaks_a_constraint_no_lucky_run_is_recommended() -> None:
    far = [(1e-3, 0, 1.0, 0.97), (1e-3, 1, 1.0, 0.80)]
    near = [(1e-4, 0, 1.5, 0.96), (1e-4, 1, 1.5, 0.92)]
    recommended = recommend(state_of(*far, *near))
    assert (recommended.trial, recommended.nearest) == (None, 2)
    assert recommended.reason.startswith(
        "No setting holds up over its seeds: 2 break retention >= 0.95 by their means. That of trial 2 came "
        "nearest (lr 1.0e-04): retention 0.94 ["
    )
    assert [each.runs for each in recommended.constraints] == [2]
    once = recommend(state_of(*far, *near, (1e-5, 0, 2.0, 0.99)))
    assert once.trial == 4, "no other seed contradicts it"
    assert once.caveats[-1] == "No setting with several seeds holds up over them."


def test_a_setting_of_which_a_seed_diverged_is_out() -> None:
    runs = state_events((1e-3, 0, 1.0, 0.99), (1e-3, 1, 1.0, 0.99), (1e-4, 0, 2.0, 0.99))
    proposed = TrialProposed(trial=3, sampled={"lr": 1e-3, "seed": 2}, params={})
    diverged = TrialFinished(trial=3, status="diverged", reason="NaN", failure_class="diverged")
    assert recommend(SearchState.from_events([*runs, proposed, diverged])).trial == 2
    alone = recommend(SearchState.from_events([*runs[:-3], proposed, diverged]))
    assert (alone.trial, alone.nearest) == (None, 0)
    assert "over its seeds: 1 had a run that diverged" in alone.reason


def test_a_better_setting_with_one_seed_is_named_and_taken_only_where_seeds_differ_by_less() -> None:
    single = [(1e-3, 0, 1.0, 0.99), (5e-4, 1, 1.1, 0.99), (2e-4, 1, 0.9, 0.90)]
    unsure = [(1e-4, 0, 1.2, 0.99), (1e-4, 1, 1.4, 0.99)]
    events = state_events(*single, *unsure)
    within = recommend(SearchState.from_events(events))
    assert within.trial == 3
    assert "the only multi-seed setting whose mean retention is at least 0.95" in within.reason
    assert within.caveats[-1] == (
        "The settings of trials 0 and 1 may be better, with one seed each: train_loss is 1.000 in trial 0, "
        "which is not beyond noise. Repetitions with new seeds would tell."
    )
    config = make_config(confirm={"candidates": 0})
    events[0] = EXPLAINED.model_copy(update={"config": config.model_dump(mode="json")})
    assert recommend(SearchState.from_events(events)).deciding == ("confirm.candidates", 3)

    sure = [(1e-4, seed, 3.0 + seed / 100, 0.99) for seed in range(4)]
    beyond = recommend(state_of(*single, *sure))
    assert beyond.trial == 0
    assert beyond.reason.endswith(
        "the lowest train_loss of the 2 single-seed settings whose measured retention is at least 0.95"
    )
    assert [each.word for each in beyond.constraints] == ["not shown to be kept"]
    assert "so this rests on one run with one seed" in beyond.caveats[0]
    assert beyond.caveats[-1].startswith(
        "The best setting with several seeds, that of trial 3, is worse by more than noise: its mean "
        "train_loss is 3.01 ["
    )
    alike = [(1e-4, seed, 3.0, 0.99) for seed in range(4)]
    assert recommend(state_of(*single, *alike)).trial == 3, "seeds that agree exactly say nothing of noise"


def test_with_one_seed_for_each_setting_single_runs_decide() -> None:
    recommended = recommend(state_of((1e-3, 0, 1.0, 0.99), (1e-4, 1, 1.2, 0.99)))
    assert recommended.trial == 0
    assert any("Each trial was trained once, with one seed" in caveat for caveat in recommended.caveats)


@given(
    st.lists(
        st.lists(st.floats(0.5, 3.0), min_size=2, max_size=4),
        min_size=1,
        max_size=5,
    )
)
def test_no_other_setting_has_a_better_mean(losses: list[list[float]]) -> None:
    runs = [
        (10.0 ** -(2 + index), seed, loss, 0.99)
        for index, setting in enumerate(losses)
        for seed, loss in enumerate(setting)
    ]
    state = state_of(*runs)
    recommended = recommend(state)
    assert recommended.trial is not None
    lr, _, loss, _ = runs[recommended.trial]
    means = {10.0 ** -(2 + index): mean(setting) for index, setting in enumerate(losses)}
    assert means[lr] == pytest.approx(min(means.values()))
    assert loss == min(run[2] for run in runs if run[0] == lr)
