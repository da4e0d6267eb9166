"""Properties of successive halving with several objectives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.judging.foresight import PRIOR_AGREEMENT, Foresight, agreement
from search.schedulers import Scheduler
from search.schedulers.dominance import SPREADS, place, places
from search.schedulers.moasha import AUDITED, is_audited
from tests.search.test_schedulers import build as build_scheduler
from trainables.interval import Interval

Point = tuple[float, ...]

_VALUES = st.integers(-6, 6).map(float)
_ETAS = st.integers(2, 4)
_SPREADS = st.sampled_from(sorted(SPREADS))
_SHARES = st.sampled_from(["fixed", "learned"])
_RUNGS = 3


def build(eta: int, objectives: int = 2, floor: float | None = None, **options: Any) -> Scheduler:
    """A scheduler of so many minimised objectives, the last of which may have a ceiling of -floor."""
    declared: list[dict[str, Any]] = [{"metric": f"m{i}", "direction": "min"} for i in range(objectives)]
    if floor is not None:
        declared[-1] = {"metric": f"m{objectives - 1}", "direction": "max", "floor": floor}
    return build_scheduler("moasha", declared, eta, **{"share": "fixed", **options})


def metrics(point: Point) -> dict[str, float]:
    return {f"m{i}": value for i, value in enumerate(point)}


def report(scheduler: Scheduler, trial: int, point: Point, rung: int = 0) -> str:
    return scheduler.report(trial, rung, metrics(point), {}).decision


def points(objectives: int = 2, least: int = 1) -> st.SearchStrategy[list[Point]]:
    return st.lists(st.tuples(*[_VALUES] * objectives), min_size=least, max_size=25)


def dominates(one: Point, other: Point) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


@settings(max_examples=80)
@given(st.integers(1, 3).flatmap(lambda k: points(k)), _ETAS, _SPREADS, _SHARES)
def test_dominating_all_goes_on_and_dominated_by_all_is_stopped(
    found: list[Point], eta: int, spread: str, share: str
) -> None:
    scheduler = build(eta, len(found[0]), spread=spread, share=share)
    for trial, point in enumerate(found):
        decision, others = report(scheduler, trial, point), found[:trial]
        if all(dominates(point, other) for other in others):
            assert decision == "continue"
        elif trial + 1 >= eta and all(dominates(other, point) for other in others):
            assert decision == "stop"


@settings(max_examples=60)
@given(points(), _ETAS, _SPREADS, _SHARES, st.randoms(use_true_random=False))
def test_the_order_of_earlier_arrivals_does_not_matter(
    found: list[Point], eta: int, spread: str, share: str, random: Any
) -> None:
    *others, last = found
    decisions = set()
    for _ in range(3):
        scheduler = build(eta, spread=spread, share=share)
        for trial, point in enumerate(others):
            report(scheduler, trial, point)
        decisions.add(report(scheduler, len(others), last))
        random.shuffle(others)
    assert len(decisions) == 1


@settings(max_examples=60)
@given(points(1), _ETAS, _SPREADS)
def test_with_one_objective_it_is_asha(found: list[Point], eta: int, spread: str) -> None:
    moasha = build(eta, 1, spread=spread)
    decisions = [report(moasha, trial, point) for trial, point in enumerate(found)]
    for count, decision in enumerate(decisions, 1):
        recorded = sorted(value for (value,) in found[:count])
        goes_on = count < eta or found[count - 1][0] <= recorded[count // eta - 1]
        assert decision == ("continue" if goes_on else "stop")


@settings(max_examples=60)
@given(points(least=3), _ETAS)
def test_one_that_misses_the_floor_is_behind_all_that_keep_it(found: list[Point], eta: int) -> None:
    scheduler = build(eta, floor=0.0)
    for trial, point in enumerate(found):
        verdict = scheduler.report(trial, 0, metrics(point), {})
        place = int(verdict.reason.split()[1])
        keeping = sum(point[-1] >= 0 for point in found[: trial + 1])
        assert (place <= keeping) == (point[-1] >= 0)


def test_a_floor_counts_as_missed_only_where_the_whole_interval_misses_it() -> None:
    scheduler = build(3, floor=0.95)
    for trial in range(2):
        report(scheduler, trial, (2.0, 1.0))
    low = {"m0": 1.0, "m1": 0.9}
    interval = {"m1": Interval(low=0.8, high=0.96, n=40)}
    assert scheduler.report(2, 0, low, interval).decision == "continue"
    assert scheduler.report(3, 0, low, {}).decision == "stop"


@pytest.mark.parametrize(
    "broken", [{}, {"m0": math.nan, "m1": 0.0}, {"m0": 0.0}, {"m0": 0.0, "m1": math.inf}]
)
def test_what_was_not_measured_ranks_last(broken: dict[str, float]) -> None:
    scheduler = build(3)
    for trial in range(3):
        report(scheduler, trial, (9.0, 9.0))
    verdict = scheduler.report(3, 0, broken, {})
    assert verdict.decision == "stop"
    assert verdict.reason.startswith("rank 4 of 4")


@settings(max_examples=60)
@given(points(), _ETAS, st.data())
def test_promotion_lets_the_best_go_on_from_the_highest_rung_first(
    found: list[Point], eta: int, data: st.DataObject
) -> None:
    scheduler = build(eta, variant="promotion")
    at: dict[int, int] = {}
    paused: set[tuple[int, int]] = set()
    for trial, point in enumerate(found):
        verdict = scheduler.report(trial, 0, metrics(point), {})
        assert verdict.decision in ("continue", "pause")
        at[trial] = 0
        if verdict.decision == "pause":
            paused.add((trial, 0))
        while (promotion := scheduler.promote()) is not None and data.draw(st.booleans()):
            assert promotion == scheduler.promote()
            assert (promotion.trial, promotion.rung) in paused
            paused.remove((promotion.trial, promotion.rung))
            scheduler.promoted(promotion.trial, promotion.rung)
            rung = promotion.rung + 1
            decision = scheduler.report(promotion.trial, rung, metrics(found[promotion.trial]), {}).decision
            assert decision == "continue" or rung < _RUNGS - 1
            if decision == "pause":
                paused.add((promotion.trial, rung))


def test_a_paused_trial_goes_on_once_it_is_among_the_best() -> None:
    scheduler = build(2, variant="promotion")
    assert report(scheduler, 0, (1.0, 1.0)) == "pause"
    assert scheduler.promote() is None
    assert report(scheduler, 1, (2.0, 2.0)) == "pause"
    promotion = scheduler.promote()
    assert promotion is not None
    assert (promotion.trial, promotion.rung) == (0, 0)
    scheduler.promoted(0, 0)
    assert scheduler.promote() is None


def test_brackets_compare_their_own_and_pass_the_rungs_below() -> None:
    scheduler = build(2, brackets=3)
    verdicts = [scheduler.report(trial, 0, metrics((float(trial), 0.0)), {}) for trial in range(400)]
    unranked = [verdict for verdict in verdicts if "not ranked before" in verdict.reason]
    # Bracket b has a share in proportion to eta^-b: 4/7, 2/7 and 1/7 of all.
    assert 400 * 0.35 < len(unranked) < 400 * 0.5
    assert all(verdict.decision == "continue" for verdict in unranked)
    assert sum("before rung 3" in verdict.reason for verdict in unranked) < len(unranked) / 2
    again = build(2, brackets=3)
    assert verdicts == [again.report(trial, 0, metrics((float(trial), 0.0)), {}) for trial in range(400)]


@settings(max_examples=60)
@given(points(3, least=2), _SPREADS)
def test_places_count_those_above_and_equals_share_theirs(found: list[Point], spread: str) -> None:
    costs = np.array(found)
    above = places(np.zeros(len(found)), costs, SPREADS[spread])
    for i, one in enumerate(found):
        for j, other in enumerate(found):
            if one == other:
                assert above[i] == above[j]
            elif dominates(one, other):
                assert above[i] < above[j]
    assert sorted(above)[0] == 0
    for each in set(above):
        assert each == sum(above < each)


@settings(max_examples=60)
@given(st.integers(1, 3).flatmap(lambda k: points(k)), _SPREADS, st.data())
def test_the_place_of_one_is_that_among_all(found: list[Point], spread: str, data: st.DataObject) -> None:
    costs = np.array(found)
    violations = np.array([data.draw(st.sampled_from([0.0, 0.0, 0.5, np.inf])) for _ in found])
    above = places(violations, costs, SPREADS[spread])
    assert [place(row, violations, costs, SPREADS[spread]) for row in range(len(found))] == above.tolist()


@settings(max_examples=30)
@given(points(least=4), _SPREADS, st.floats(0.1, 10), st.floats(-5, 5))
def test_units_do_not_matter(found: list[Point], spread: str, scale: float, shift: float) -> None:
    costs = np.array(found)
    moved = costs * np.array([scale, 1.0]) + np.array([shift, 0.0])
    zeros = np.zeros(len(found))
    one, other = places(zeros, costs, SPREADS[spread]), places(zeros, moved, SPREADS[spread])
    # Distances that are equal may differ by a rounding error once they are scaled.
    kept = max(1, len(found) // 3)
    fronts = [set(np.flatnonzero(above < kept)) for above in (one, other)]
    ends = {int(np.lexsort((costs[:, 1], costs[:, 0]))[0])}
    assert ends & fronts[0] == ends & fronts[1]


def test_the_middle_of_a_crowd_goes_first_of_a_front() -> None:
    front = np.array([[0.0, 10.0], [1.0, 9.0], [1.1, 8.9], [5.0, 5.0], [10.0, 0.0]])
    for spread in SPREADS.values():
        distance = spread(front)
        assert np.isinf(distance[[0, 4]]).all()
        assert int(np.argmin(distance)) in (1, 2)
        assert distance[3] == max(distance[1:4])


def test_the_plan_says_the_order_and_the_rule() -> None:
    text = " ".join(build(3, floor=0.95, brackets=2, variant="promotion").describe())
    for part in ("moasha, promotion", "10, 30, 90", "m1 >= 0.95", "non-dominated", "paused", "2 brackets"):
        assert part in text


@settings(max_examples=60)
@given(points(), _ETAS, _SPREADS, _SHARES)
def test_what_no_other_dominates_is_never_stopped(
    found: list[Point], eta: int, spread: str, share: str
) -> None:
    scheduler = build(eta, spread=spread, share=share)
    for trial, point in enumerate(found):
        decision = report(scheduler, trial, point)
        if not any(dominates(other, point) for other in found[:trial]):
            assert decision == "continue"


def test_behind_the_first_front_the_ends_come_first() -> None:
    costs = np.array([(0.0, 0.0), (1.0, 9.0), (9.0, 1.0), (5.0, 5.0), (5.1, 4.9), (4.0, 7.0)])
    above = places(np.zeros(6), costs, SPREADS["crowding"])
    assert above[0] == 0
    assert above[1] == above[2] == 1
    assert max(above[3], above[4]) == 5


def train(share: str, predicts: bool, trials: int = 300) -> tuple[float, list[int]]:
    """Share of random trials that reach the full budget, and how many of the best tenth did not.

    Args:
        share: Of the scheduler.
        predicts: Whether values at the rungs are those at the end; else they say nothing of them.
    """
    scheduler = build(3, share=share)
    rng = np.random.default_rng(3)
    at_end = rng.random((trials, 2))
    early = at_end if predicts else rng.random((trials, 2))
    trained = []
    for trial in range(trials):
        for rung in range(_RUNGS):
            values = at_end if rung == _RUNGS - 1 else early
            if report(scheduler, trial, tuple(values[trial]), rung) == "stop":
                break
        else:
            trained.append(trial)
    best = np.argsort(at_end.sum(axis=1))[: trials // 10]
    return len(trained) / trials, [int(trial) for trial in best if trial not in trained]


def test_where_rungs_predict_the_end_few_are_trained_to_it() -> None:
    fixed, _ = train("fixed", predicts=True)
    learned, lost = train("learned", predicts=True)
    assert learned < 2.5 * fixed
    assert learned < 0.35
    assert len(lost) <= 3


def test_where_rungs_say_nothing_most_are_trained_to_the_end() -> None:
    fixed, lost_by_fixed = train("fixed", predicts=False)
    learned, lost = train("learned", predicts=False)
    assert fixed < 0.2
    assert learned > 0.6
    assert len(lost) < len(lost_by_fixed) / 2


@settings(max_examples=40)
@given(st.lists(st.tuples(_VALUES, _VALUES), min_size=2, max_size=12), st.floats(1, 20))
def test_agreement_is_between_its_bounds_and_grows_with_evidence(found: list[Point], weight: float) -> None:
    same, against = Foresight(), Foresight()
    for trial, point in enumerate(found):
        same.add(trial, point, point, weight)
        against.add(trial, point, tuple(-value for value in point), weight)
    assert PRIOR_AGREEMENT <= same.agreement <= 1
    assert 0 <= against.agreement <= PRIOR_AGREEMENT
    if len(set(found)) > 1:
        assert against.agreement < PRIOR_AGREEMENT < same.agreement
    for n in range(1, 20):
        assert n // 3 <= same.kept(n, 3) <= against.kept(n, 3) <= n - 1


@settings(max_examples=40)
@given(st.lists(st.tuples(st.tuples(_VALUES, _VALUES), st.tuples(_VALUES, _VALUES)), min_size=1, max_size=12))
def test_agreement_of_all_is_that_of_one_after_the_other(found: list[tuple[Point, Point]]) -> None:
    foresight = Foresight()
    for trial, (at_rung, at_end) in enumerate(found):
        foresight.add(trial, at_rung, at_end, 1.0)
    at_rungs, at_ends = np.array(found).swapaxes(0, 1)
    assert agreement(at_rungs, at_ends) == foresight.agreement


def test_an_order_that_is_wrong_among_neighbours_is_wrong() -> None:
    at_rung = np.arange(20.0)[:, None]
    at_end = at_rung.reshape(5, 4)[:, ::-1].reshape(20, 1)
    pairs = [(i, j) for i in range(20) for j in range(i)]
    same = np.mean([(at_rung[i] > at_rung[j]) == (at_end[i] > at_end[j]) for i, j in pairs])
    assert same > 0.8
    assert agreement(at_rung, at_end) < 0.6


def test_one_trial_in_ten_is_audited() -> None:
    share = sum(is_audited(seed, trial) for seed in range(10) for trial in range(1000)) / 10_000
    assert share == pytest.approx(AUDITED, rel=0.1)


@settings(max_examples=80)
@given(
    st.lists(st.tuples(*[_VALUES] * (2 * _RUNGS)), min_size=6, max_size=40),
    st.fixed_dictionaries(
        {
            "share": _SHARES,
            "variant": st.sampled_from(["stopping", "promotion"]),
            "brackets": st.integers(1, 2),
            "spread": _SPREADS,
        }
    ),
)
def test_recalled_decisions_leave_the_scheduler_as_making_them_did(
    curves: list[Point], options: dict[str, Any]
) -> None:
    deciding, recalling = build(3, **options), build(3, **options)
    for trial, curve in enumerate(curves):
        for rung in range(_RUNGS):
            at_rung = metrics(curve[2 * rung : 2 * rung + 2])
            decision = deciding.report(trial, rung, at_rung, {}).decision
            recalling.recall(trial, rung, at_rung, {}, decision)
            if decision != "continue":
                break
        promotion = deciding.promote()
        assert recalling.promote() == promotion
        if promotion is not None:
            deciding.promoted(promotion.trial, promotion.rung)
            recalling.promoted(promotion.trial, promotion.rung)
    for rung in range(_RUNGS):
        assert recalling.report(999, rung, metrics((0.0, 0.0)), {}) == deciding.report(
            999, rung, metrics((0.0, 0.0)), {}
        )
