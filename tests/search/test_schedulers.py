"""One contract for every registered scheduler, and the properties of ASHA."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.config.schema import SearchConfig
from search.schedulers import SCHEDULERS, Scheduler, make_scheduler
from trainables.interval import Interval

NAMES = list(SCHEDULERS)
LOSS = {"metric": "train_loss", "direction": "min"}
RETENTION = {"metric": "retention", "direction": "max", "floor": 0.95}
LAST_RUNG = 2


def build(
    name: str = "asha",
    objectives: Sequence[dict[str, Any]] = (LOSS, RETENTION),
    eta: int = 3,
    **options: Any,
) -> Scheduler:
    return make_scheduler(
        SearchConfig.model_validate(
            {
                "space": "test",
                "name": "test",
                "model": {"name": "none", "source": "embedded"},
                "task": {"name": "none", "train": "none.jsonl"},
                "capability": {"skills": [{"name": "none", "path": "none.jsonl"}]},
                "parameters": {"lr": {"type": "log-float", "low": 1e-5, "high": 1e-2}},
                "objectives": objectives,
                "budget": {"steps": eta**2 * 10, "rungs": 3, "eta": eta},
                "scheduler": {"name": name, **options},
            }
        )
    )


def decide(scheduler: Scheduler, losses: Sequence[float], rung: int = 0) -> list[str]:
    """Reports each loss, with retention kept, as a trial of its own."""
    return [
        scheduler.report(trial, rung, {"train_loss": loss, "retention": 1.0}, {}).decision
        for trial, loss in enumerate(losses)
    ]


def plain_asha(losses: Sequence[float], eta: int) -> list[str]:
    """The stopping variant as published: go on within the top 1/eta of the values recorded at the rung."""
    decisions = []
    for count in range(1, len(losses) + 1):
        recorded, value = losses[:count], losses[count - 1]
        if count < eta:
            decisions.append("continue")
        else:
            cutoff = sorted(recorded)[count // eta - 1]
            decisions.append("continue" if value <= cutoff else "stop")
    return decisions


_METRIC = st.floats(-3, 3) | st.sampled_from([math.nan, math.inf, -math.inf])
_METRICS = st.dictionaries(st.sampled_from(["train_loss", "retention", "other"]), _METRIC)
_INTERVALS = st.dictionaries(
    st.sampled_from(["train_loss", "retention"]),
    st.builds(Interval, low=_METRIC, high=_METRIC, n=st.integers(1, 9)),
)
_REPORTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2), _METRICS, _INTERVALS), max_size=15)
_LOSSES = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=25)
_ETAS = st.integers(2, 4)


def test_all_are_registered() -> None:
    assert set(NAMES) >= {"asha", "none"}
    assert all(SCHEDULERS.lines().values())


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(reports=_REPORTS)
def test_same_reports_same_verdicts_and_any_number_is_taken(name: str, reports: list[Any]) -> None:
    first, second = build(name), build(name)
    for report in reports:
        verdict = first.report(*report)
        assert verdict == second.report(*report)
        assert verdict.reason


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(reports=_REPORTS)
def test_the_last_rung_never_stops(name: str, reports: list[Any]) -> None:
    scheduler = build(name)
    for trial, _, metrics, intervals in reports:
        assert scheduler.report(trial, LAST_RUNG, metrics, intervals).decision == "continue"


@pytest.mark.parametrize("name", NAMES)
def test_describes_itself_in_sentences(name: str) -> None:
    lines = build(name).describe()
    assert lines
    assert lines[0].startswith(name)
    assert all(line.endswith(".") for line in lines)


@settings(max_examples=10)
@given(_LOSSES)
def test_none_stops_nothing(losses: list[float]) -> None:
    assert set(decide(build("none"), losses)) == {"continue"}


@settings(max_examples=40)
@given(_LOSSES, _ETAS)
def test_with_one_objective_it_is_asha(losses: list[float], eta: int) -> None:
    assert decide(build(objectives=[LOSS], eta=eta), losses) == plain_asha(losses, eta)


@settings(max_examples=40)
@given(_LOSSES, _ETAS)
def test_a_maximised_objective_is_the_mirror_image(losses: list[float], eta: int) -> None:
    scheduler = build(objectives=[{"metric": "retention", "direction": "max"}], eta=eta)
    decisions = [scheduler.report(n, 0, {"retention": -loss}, {}).decision for n, loss in enumerate(losses)]
    assert decisions == plain_asha(losses, eta)


@settings(max_examples=40)
@given(_LOSSES, _ETAS)
def test_only_the_order_of_losses_counts(losses: list[float], eta: int) -> None:
    assert decide(build(eta=eta), losses) == decide(build(eta=eta), [math.exp(loss) for loss in losses])


@settings(max_examples=40)
@given(_LOSSES, _ETAS)
def test_rungs_are_independent(losses: list[float], eta: int) -> None:
    scheduler = build(eta=eta)
    assert decide(scheduler, losses, rung=0) == decide(scheduler, losses, rung=1)


@settings(max_examples=40)
@given(st.permutations(range(12)), _ETAS)
def test_the_last_of_distinct_losses_goes_on_exactly_if_it_is_in_the_top(order: list[int], eta: int) -> None:
    decisions = decide(build(eta=eta), [float(value) for value in order])
    assert decisions[-1] == ("continue" if order[-1] < 12 // eta else "stop")


_POINTS = st.lists(
    st.tuples(st.integers(0, 9).map(float), st.integers(80, 110).map(lambda percent: percent / 100)),
    min_size=1,
    max_size=25,
)


@settings(max_examples=40)
@given(_POINTS, _ETAS)
def test_the_best_is_never_stopped_and_the_single_worst_always(
    points: list[tuple[float, float]], eta: int
) -> None:
    scheduler = build(eta=eta)
    keys = [(max(0.0, 0.95 - retention), loss) for loss, retention in points]
    for trial, (loss, retention) in enumerate(points):
        decision = scheduler.report(trial, 0, {"train_loss": loss, "retention": retention}, {}).decision
        recorded = keys[: trial + 1]
        if keys[trial] == min(recorded):
            assert decision == "continue"
        elif keys[trial] > max(recorded[:-1]) and trial + 1 >= eta:
            assert decision == "stop"


def test_ties_go_on_together() -> None:
    assert decide(build(), [2.0, 1.0, 1.0, 1.0, 1.0]) == ["continue"] * 5


def test_a_trial_that_keeps_the_floor_comes_before_a_lower_loss() -> None:
    scheduler = build()
    for trial in range(2):
        scheduler.report(trial, 0, {"train_loss": 0.1, "retention": 0.5}, {})
    assert scheduler.report(2, 0, {"train_loss": 9.0, "retention": 0.96}, {}).decision == "continue"
    verdict = scheduler.report(3, 0, {"train_loss": 0.05, "retention": 0.6}, {})
    assert verdict.decision == "stop"
    # Of those that miss the floor, the one that misses it by less is first.
    assert verdict.reason.startswith("rank 2 of 4")


def test_a_floor_that_may_be_kept_is_kept() -> None:
    scheduler = build()
    for trial in range(2):
        scheduler.report(trial, 0, {"train_loss": 2.0, "retention": 1.0}, {})
    interval = Interval(low=0.8, high=0.96, n=40)
    metrics = {"train_loss": 1.0, "retention": 0.9}
    assert scheduler.report(2, 0, metrics, {"retention": interval}).decision == "continue"
    assert scheduler.report(3, 0, metrics, {}).decision == "stop"


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"train_loss": math.nan, "retention": 1.0},
        {"train_loss": -math.inf, "retention": 1.0},
        {"train_loss": 0.0, "retention": math.nan},
        {"train_loss": 0.0},
    ],
)
def test_what_was_not_measured_ranks_last(broken: dict[str, float]) -> None:
    scheduler = build()
    decide(scheduler, [5.0, 6.0])
    scheduler.report(2, 0, {"train_loss": 9.0, "retention": 0.0}, {})
    verdict = scheduler.report(3, 0, broken, {})
    assert verdict.decision == "stop"
    assert verdict.reason.startswith("rank 4 of 4")


def test_a_repeated_report_replaces_the_first() -> None:
    scheduler = build()
    for _ in range(5):
        verdict = scheduler.report(0, 0, {"train_loss": 1.0, "retention": 1.0}, {})
    assert verdict.reason.startswith("rank 1 of 1")


def test_reasons_name_rank_rung_and_constraint() -> None:
    scheduler = build()
    decide(scheduler, [float(loss) for loss in range(8)], rung=1)
    metrics, intervals = (
        {"train_loss": 0.734, "retention": 0.41},
        {"retention": Interval(low=0.35, high=0.48, n=60)},
    )
    assert scheduler.report(8, 1, metrics, intervals).reason == (
        "rank 9 of 9 at rung 2/3 (step 30), top 3 continue; train_loss 0.734; "
        "retention 0.41 [0.35, 0.48] is below the floor 0.95"
    )
    assert scheduler.report(0, 0, {"train_loss": 2.0, "retention": 1.0}, {}).reason == (
        "rank 1 of 1 at rung 1/3 (step 10): too few trials to rank, continues; train_loss 2"
    )
    assert scheduler.report(0, 2, {"train_loss": 2.0}, {}).reason == (
        "rank 1 of 1 at rung 3/3 (step 90), the full budget; train_loss 2; retention was not measured"
    )


def test_the_plan_says_what_is_ranked_and_what_is_not() -> None:
    speed = {"metric": "speed", "direction": "max"}
    text = " ".join(build(objectives=[LOSS, RETENTION, speed]).describe())
    for part in (
        "10, 30, 90",
        "retention >= 0.95",
        "train_loss (lowest first)",
        "n // 3",
        "Not used for stopping: speed",
    ):
        assert part in text
