"""The numbers behind the cards."""

from __future__ import annotations

import json
import math
import re
from itertools import pairwise
from pathlib import Path

import moocore
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from analysis.investigate.words import points, tau_text
from analysis.report.cards import cards
from analysis.report.clock import Clock, unit
from analysis.report.context import Context
from analysis.report.groups import MOST, by
from analysis.report.look import BASELINES, log_ticks
from analysis.report.statistics import mean, mean_share, spearman
from analysis.report.text import plain, short
from analysis.report.words import bracketed, room
from search import wording
from search.judging.objectives import metrics_of
from search.record import SearchEnded, SearchState, SessionStarted, TrialProposed, TrialState
from tests.analysis.report_records import state_of
from tests.records import BEGIN, opening_events, trial_events
from trainables.specs import TRAINABLES


@given(st.floats(-3, 3), st.floats(0, 1e-3), st.integers(0, 4))
def test_nothing_that_rounds_to_zero_has_a_sign(value: float, small: float, decimals: int) -> None:
    texts = [wording.number(-small), wording.number(value, decimals), wording.fixed(value, decimals)]
    texts += [wording.fixed(-small, decimals, signed=True), wording.percent(-small, decimals)]
    texts += [bracketed(value, (value - small - 0.01, value + 0.01)), points(-small), tau_text(-small, value)]
    for number_ in re.findall(r"-[0-9.]+", " ".join(texts)):
        assert float(number_) < 0, texts
    assert float(wording.fixed(value, decimals)) == round(value, decimals)


NUMBERS = st.floats(-1e3, 1e3).map(lambda own: round(own, 2))
SCALARS = st.one_of(st.floats(1e-8, 10), st.integers(-5, 5), st.booleans(), st.none(), st.sampled_from("ab"))


def trials_of(values: list[object]) -> list[TrialState]:
    return [
        TrialState(index, TrialProposed(trial=index, sampled={"p": own}, params={}))  # type: ignore[dict-item]
        for index, own in enumerate(values)
    ]


@given(st.lists(SCALARS, max_size=60), st.integers(2, MOST))
def test_groups_part_the_trials(values: list[object], most: int) -> None:
    trials = trials_of(values)
    groups = by(trials, "p", most)
    found = [trial.number for group in groups for trial in group.trials]
    assert sorted(found) == [trial.number for trial in trials]
    assert all(group.trials for group in groups)
    labels = [group.label for group in groups]
    assert len(set(labels)) == len(labels)
    if all(isinstance(own, float) for own in values):
        assert len(groups) <= most
        ends = [[float(t.proposed.sampled["p"]) for t in group.trials] for group in groups]  # type: ignore[arg-type]
        assert all(max(before) < min(after) for before, after in pairwise(ends))


@given(st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=40, unique=True), st.data())
def test_groups_of_a_part_are_those_of_the_whole(values: list[float], data: st.DataObject) -> None:
    trials = trials_of(list(values))
    where = {t.number: group.label for group in by(trials, "p") for t in group.trials}
    part = data.draw(st.lists(st.sampled_from(trials), unique_by=lambda trial: trial.number))
    for group in by(part, "p", every=values):
        assert {where[trial.number] for trial in group.trials} == {group.label}


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=4, max_size=40))
def test_the_rank_correlation_is_spearmans(points: list[tuple[float, float]]) -> None:
    x, y = zip(*points, strict=True)
    assume(len(set(x)) > 1 and len(set(y)) > 1)
    found = spearman(x, y)
    assert found is not None
    assert found.value == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-9)
    assert found.low is not None
    assert found.high is not None
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert found.high - found.low > 0
    turned = spearman(x, [-own for own in y])
    assert turned is not None
    assert (turned.low, turned.high) == (pytest.approx(-found.high), pytest.approx(-found.low))


def test_the_interval_of_the_rank_correlation_narrows_with_pairs() -> None:
    generator = np.random.default_rng(0)
    widths = []
    for n in (10, 100, 1000):
        x = generator.normal(size=n)
        found = spearman(x.tolist(), (x + generator.normal(size=n)).tolist())
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        # The rank correlation of this pair of normals is 6 / pi asin(sqrt(0.5) / 2).
        assert found.low < 6 / math.pi * math.asin(math.sqrt(0.5) / 2) < found.high
        widths.append(found.high - found.low)
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize("pairs", [[], [(1.0, 2.0)] * 3, [(1.0, 1.0)] * 9, [(math.nan, 1.0)] * 9])
def test_too_little_has_no_rank_correlation(pairs: list[tuple[float, float]]) -> None:
    assert spearman([x for x, _ in pairs], [y for _, y in pairs]) is None


@given(st.lists(NUMBERS, min_size=2, max_size=30))
def test_the_mean_has_students_interval(values: list[float]) -> None:
    assume(len(set(values)) > 1)
    found = mean([*values, math.nan])
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    assert found.n == len(values)
    assert (found.value, found.low, found.high) == tuple(
        pytest.approx(own) for own in (np.mean(values), low, high)
    )


def test_the_interval_of_a_share_is_one_of_shares() -> None:
    found = mean_share([0.05, 0.9])
    assert (found.low, found.high) == (0.0, 1.0)
    inside = [0.5, 0.51, 0.52]
    assert mean_share(inside) == mean(inside)
    assert mean_share([0.5]).low is None


@given(st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=30))
def test_ticks_are_few_and_lie_near_the_values(values: list[float]) -> None:
    found = log_ticks([*values, None, math.nan, -1.0])
    if found is None:
        assert max(values) < 3 * min(values)
        return
    ticks, labels = found
    assert ticks == sorted(set(ticks))
    assert len(labels) == len(ticks) <= 26
    assert all(min(values) / 2 <= tick <= max(values) * 2 for tick in ticks)
    assert [float(label) for label in labels] == pytest.approx(ticks)


@given(st.lists(NUMBERS, min_size=1, max_size=20))
def test_an_axis_holds_its_values(values: list[float]) -> None:
    low, high = room([*values, math.nan])
    assert low is not None
    assert high is not None
    assert low <= min(values) <= max(values) < high
    assert room([math.nan]) == (None, None)


def test_the_clock_stands_still_between_sessions() -> None:
    events = [
        *opening_events(),
        *trial_events(0, {"train_loss": 1.0}, time=BEGIN + 96),
        SessionStarted(session=1, trials=16, command="x", host="h", pid=1, time=BEGIN + 5000),
        SearchEnded(reason="finished", time=BEGIN + 5010),
    ]
    clock = Clock(SearchState.from_events(events))
    seconds = [round(3600 * clock.hours(BEGIN + at), 6) for at in (-5, 0, 50, 100, 4000, 5000, 5007, 9000)]
    assert seconds == [0, 0, 50, 100, 100, 100, 107, 110]


@pytest.mark.parametrize(("hours", "name"), [(0.001, "seconds"), (0.5, "minutes"), (30, "hours")])
def test_times_have_a_unit_that_suits(hours: float, name: str) -> None:
    found, factor = unit(hours)
    assert found == name
    assert 1 <= hours * factor < 200


def test_numbers_are_such_as_json_can_hold() -> None:
    value = {1: (math.nan, -math.inf, np.float64(0.5)), "x": [True, None, 3]}
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == {
        "1": ["nan", "-inf", 0.5],
        "x": [True, None, 3],
    }
    assert [short(own) for own in (math.nan, 0.123456789, 2.0, "a", None)] == [None, 0.12346, 2, "a", None]


def test_the_hypervolume_is_that_of_the_trials_so_far(tmp_path: Path) -> None:
    context = Context(state_of("two_seeds", tmp_path), tmp_path)
    (card,) = [one.card for one in cards() if one.name == "progress"]
    found = card.compute(context).data
    turned = [
        [one.cost(metrics_of(context.state.trials[number])[one.metric]) for one in context.objectives]
        for number in found["trials"]
    ]
    base = context.base
    assert base is not None
    every = np.array([*turned, [one.cost(base.metrics[one.metric]) for one in context.objectives]])
    low, high = every.min(axis=0), every.max(axis=0)
    for count in (1, 5, len(turned)):
        points = (np.array(turned[:count]) - low) / (high - low)
        volume = moocore.hypervolume(points, ref=[1.1] * len(context.objectives)) / 1.1 ** len(
            context.objectives
        )
        assert found["values"][count - 1] == pytest.approx(volume)
    assert found["hours"] == sorted(found["hours"])
    assert found["worker_hours"] == sorted(found["worker_hours"])


def test_no_two_references_of_a_trainable_look_the_same() -> None:
    looks = {(look.colour, look.marker) for look in BASELINES}
    assert len(looks) == len(BASELINES) == len({look.marker for look in BASELINES})
    assert all(len(TRAINABLES[name].baselines) <= len(looks) for name in TRAINABLES)
