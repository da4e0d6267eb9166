"""The noise of candidates: between seeds, however unequally they differ, and in what tells two apart."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from analysis.blocks import confirmation_block
from benchmarks.coverage import Setting, measure
from search.judging.confirmation import confirmation
from search.judging.contrasts import contrast
from search.judging.noise import Array, Series
from search.judging.pooled import PooledMean, noise_of, ties
from search.judging.recommend import recommend
from search.judging.repeated import of_series, pooled_means, series_over
from search.judging.shrunk import shrunk
from search.record import Event, RungReached, SearchState
from search.record.events import RecordedMetric
from search.record.explained import explanation
from tests.records import make_config, opening_events, trial_events
from trainables.evaluation.intervals import wilson
from trainables.interval import Interval

EXPLAINED = explanation(make_config().trainable, make_config().options)


def shares(runs: Array) -> Series:
    """Outcomes of each run on the same questions, shape (k, n)."""
    return Series(1.0, runs.mean(axis=1), 0, (("facts", runs),))


def means_of(series: Sequence[Series]) -> list[PooledMean]:
    return [each for each in pooled_means(series) if each is not None]


def test_a_variance_is_shrunk_towards_the_others_by_two_degrees_at_most() -> None:
    assert shrunk([8.0], [2]) == [(4.0, 2)], "alone"
    # Of the other: 8 / 2, which counts for its 2 degrees; and 20 / 5, which counts for no more than 2.
    assert shrunk([20.0, 8.0], [5, 2]) == [((2 * 4 + 20) / 7, 7), ((2 * 4 + 8) / 4, 4)]
    assert shrunk([3.0, 0.0], [1, 0]) == [(3.0, 1), (3.0, 1)], "of a single value that of the other"
    assert shrunk([0.0], [0]) == [(0.0, 0)]
    assert shrunk([6.0], [1], 3.0, 3.0) == [((2 * 3 + 6) / 3, 3)], "what is known beforehand is another"


@pytest.mark.parametrize(("seeds", "least"), [(4, 0.86), (10, 0.9)])
def test_more_seeds_show_that_one_candidate_differs_more_than_the_others(seeds: int, least: float) -> None:
    """With one variance for all, the interval of the first holds the truth in 79% of draws."""
    random, covered = np.random.default_rng(3), []
    for _ in range(600):
        losses = random.normal(0, [[3.0], [1.0], [1.0]], size=(3, seeds))
        first = of_series([Series(1.0, each, 0) for each in losses])[0]
        assert first is not None
        low, high = first.interval()
        covered.append(low <= 0 <= high)
    assert least < np.mean(covered) < 0.97


def test_the_interval_of_an_unstable_candidate_among_stable_ones_holds_the_truth() -> None:
    cell = measure(Setting("high", 0.05, 3, 10, 1000, 0.0), 500)
    assert cell.covered_before < 0.88, "with one ratio for all"
    assert 0.9 < cell.covered <= 0.97


@pytest.mark.parametrize(("seeds", "delta"), [(2, 0.02), (5, 0.005), (10, 0.02)])
def test_where_candidates_are_alike_intervals_hold_the_truth_as_often_as_they_say(
    seeds: int, delta: float
) -> None:
    assert 0.93 <= measure(Setting("high", delta, 3, seeds, 300), 150).covered <= 0.98


@pytest.mark.parametrize("questions", [40, 100])
@pytest.mark.parametrize("numbers", [False, True], ids=["shares", "numbers"])
def test_candidates_that_are_alike_tie_although_they_answer_single_questions_otherwise(
    questions: int, numbers: bool
) -> None:
    """Seeds that agree do not tell that other questions would give the same order."""
    random, apart = np.random.default_rng(5), 0
    for _ in range(300):
        common = random.normal(size=questions)
        series = []
        for _ in range(2):
            scores = 1.6 * common + 1.2 * random.normal(size=questions) + 1.2
            runs = scores + 0.5 * random.normal(size=(2, questions))
            if numbers:
                each = Series(1.0, runs.mean(axis=1), 0, (("facts", runs),), unbounded=True)
            else:
                each = shares((runs > 0).astype(float))
            series.append(each)
        means = sorted(means_of(series), key=lambda mean: -mean.mean)
        apart += not ties(means)[1]
    assert apart / 300 < 0.06


def test_what_is_paired_tells_candidates_apart_that_intervals_do_not() -> None:
    """Of 200 questions one candidate gives 12 more right answers, and no other answer differs."""
    right = np.arange(200) < np.array([[150], [138]])
    best, other = means_of([shares(np.tile(each, (2, 1)).astype(float)) for each in right])
    assert best.low is not None
    assert best.low < other.mean
    assert ties([best, other]) == [True, False]


def test_of_ratios_to_the_same_base_what_they_are_ratios_of_is_compared() -> None:
    scale, right = 0.9, np.arange(200) < np.array([[150], [138]])
    ratios = []
    for each in right:
        runs = np.tile(each, (2, 1)) / scale
        around = Interval(runs.mean() - 0.1, runs.mean() + 0.1, 200)
        ratios.append(Series(1.0, runs.mean(axis=1), 0, (("facts", runs),), around=around, unit=1 / scale))
    assert ties(means_of(ratios)) == [True, False]


def test_where_items_are_not_known_one_by_one_seeds_alone_tell_candidates_apart() -> None:
    around = (Interval(1.0, 3.0, 40),) * 2
    means = means_of(
        [Series(1.0, np.array(values), 0, intervals=around) for values in ([2.0, 2.01], [2.2, 2.21])]
    )
    assert ties(means) == [True, False]
    assert noise_of(means) == "the noise between seeds"


def test_where_the_items_of_one_of_two_are_not_known_those_of_neither_count() -> None:
    random = np.random.default_rng(4)
    numbers = [value + random.normal(size=(2, 40)) + [[0.0], [0.01]] for value in (2.0, 2.5)]
    series = [Series(1.0, each.mean(axis=1), 0, (("words", each),), unbounded=True) for each in numbers]
    around = (Interval(1.0, 3.0, 40),) * 2
    without = [replace(each, items=(), unbounded=False, intervals=around) for each in series]
    kept = means_of(series)
    for known in ([True, False], [False, True], [False, False]):
        sides = [
            each if of_items else replace(each, series=other)
            for each, other, of_items in zip(kept, without, known, strict=True)
        ]
        assert noise_of(sides) == "the noise between seeds"
        assert ties(sides) == ties([replace(each, series=s) for each, s in zip(kept, without, strict=True)])
    assert noise_of(kept) == "noise"


@pytest.mark.parametrize(("apart", "same"), [(0.1, True), (1.0, False)])
def test_where_seeds_agree_exactly_questions_tell_candidates_apart(apart: float, same: bool) -> None:
    random = np.random.default_rng(6)
    scores = random.normal(2.0, 0.5, size=40)
    other = scores + random.normal(apart, 1.0, size=40)
    objective = {"metric": "words", "direction": "min"}
    search = searched([objective], "words", [[scores, scores], [other, other]])
    confirmed = confirmation(search)
    assert confirmed is not None
    assert [each.estimates["words"].error for each in confirmed.candidates] == [0, 0]
    assert len(confirmed.tied) == 1 + same
    recommended = recommend(search)
    how = "the words of trials 0 and 1 differs by no more than" if same else ", by more than"
    assert f"{how} the noise of the items" in recommended.reason
    assert any("agree exactly in words" in caveat for caveat in recommended.caveats)


def test_constant_numbers_that_agree_exactly_tie_only_where_they_are_equal() -> None:
    objective = {"metric": "words", "direction": "min"}
    constant = [[[value] * 10] * 2 for value in (2.0, 2.0, 3.0)]
    confirmed = confirmation(searched([objective], "words", constant))
    assert confirmed is not None
    assert confirmed.tied == (0, 1)


def own_metric(*runs: Sequence[float], **bound: float) -> SearchState:
    """A search with a metric of the user's, and repetitions of its trial with a number for each question."""
    objectives = [
        {"metric": "train_loss", "direction": "min"},
        {"metric": "refuses", "direction": "min", **bound},
    ]
    return searched(objectives, "refuses", [runs])


def searched(
    objectives: Sequence[Mapping[str, object]], metric: str, candidates: Sequence[Sequence[Iterable[float]]]
) -> SearchState:
    """The same with several trials: of each the numbers of its repetitions; its own are the first."""
    first, *others = opening_events(make_config(objectives=objectives))
    metrics = (*EXPLAINED.metrics, RecordedMetric(name=metric, direction="min"))
    explained = EXPLAINED.model_copy(update={"metrics": metrics})
    events: list[Event] = [first.model_copy(update={"trainable": explained}), *others]
    trials = [(None, runs[0]) for runs in candidates]
    trials += [(number, values) for number, runs in enumerate(candidates) for values in runs]
    for number, (repeats, numbers) in enumerate(trials):
        values = list(map(float, numbers))
        measured = {"train_loss": 1.0 + 0.2 * number**2, metric: float(np.mean(values))}
        for event in trial_events(number, measured, repeats=repeats):
            if isinstance(event, RungReached):
                event = event.model_copy(update={"values": {metric: values}})
            events.append(event)
    return SearchState.from_events(events)


def test_a_metric_of_zeros_and_ones_is_a_share() -> None:
    (held,) = recommend(own_metric([0.0] * 10, [0.0] * 10, ceiling=0.02)).constraints
    assert held.word == "not shown to be kept"
    assert held.low == 0
    assert held.high is not None
    assert held.high >= wilson(0, 10).high


@pytest.mark.parametrize(
    ("runs", "bound"),
    [
        (([1.0] * 10,) * 2, {"ceiling": 1.0}),
        (([1.0] * 10,) * 40, {"ceiling": 1.0}),
        (([0.0] * 9 + [1.0], [0.0] * 8 + [1.0] * 2), {"floor": 0.0, "direction": "max"}),
    ],
)
def test_that_only_zeros_and_ones_were_seen_does_not_show_that_a_bound_is_kept(
    runs: Sequence[Sequence[float]], bound: dict[str, float]
) -> None:
    """It may be a count, or a reward that can be negative."""
    (held,) = recommend(own_metric(*runs, **bound)).constraints
    assert held.word == "not shown to be kept"
    assert held.low is not None
    assert held.high is not None
    assert held.low < held.bound < held.high


def test_a_bound_beyond_1_says_that_a_metric_is_no_share() -> None:
    (held,) = recommend(own_metric([1.0] * 10, [1.0] * 10, ceiling=1.2)).constraints
    assert (held.word, held.low, held.high) == ("not shown to be kept", None, None)


def test_what_is_a_share_is_the_same_for_all_candidates() -> None:
    ones, others = [[1.0] * 10] * 2, [[1.0] * 10, [1.0] * 9 + [2.0]]
    objective = {"metric": "calls", "direction": "min"}
    alone, beside = (searched([objective], "calls", each) for each in ([ones], [ones, others]))
    for state, is_share in ((alone, True), (beside, False)):
        for trial in state.trials.values():
            series = series_over(state, "calls", [trial])
            assert series is not None
            assert series.unbounded is not is_share
    single = series_over(alone, "calls", [alone.trials[0]])
    assert single is not None
    low, high = contrast(-1.0, [single]).interval()
    assert low < 0 < high, "also in the claim calls <= 1"


def test_numbers_that_all_agree_do_not_tell_their_noise() -> None:
    (held,) = recommend(own_metric([2.0] * 10, [2.0] * 10, ceiling=3.0)).constraints
    assert (held.word, held.low, held.high) == ("not shown to be kept", None, None)


def numbers_of(*runs: Array) -> list[Series]:
    return [Series(1.0, each.mean(axis=1), 0, (("words", each),), unbounded=True) for each in runs]


@pytest.mark.parametrize("row", [np.full(40, 2.0), np.random.default_rng(2).normal(2, 1, size=40)])
def test_a_candidate_whose_numbers_all_agree_has_the_noise_of_the_others(row: Array) -> None:
    random = np.random.default_rng(1)
    others = [random.normal(2, 1, size=(3, 40)) for _ in range(2)]
    judged = [each for each in of_series(numbers_of(np.tile(row, (3, 1)), *others)) if each is not None]
    assert all(each.between.moderated for each in judged)
    without = [each for each in of_series(numbers_of(*others)) if each is not None]
    variances = [each.between.variance or 0.0 for each in judged]
    assert variances[0] > 0.001
    assert variances[1:] == pytest.approx([each.between.variance for each in without], rel=0.5)
    (alone,) = means_of(numbers_of(np.tile(row, (3, 1))))
    assert alone.error == 0


def test_seeds_that_change_all_numbers_alike_are_noise() -> None:
    random = np.random.default_rng(1)
    row, others = random.normal(2, 1, size=40), random.normal(2, 0.1, size=(2, 40))
    shifted, _ = means_of(numbers_of(row + np.array([[0.0], [1.0]]), others))
    assert shifted.error is not None
    assert shifted.error > 0.2


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("huge", [1e154, 1e200, 1e307])
@pytest.mark.parametrize("items", [False, True])
def test_numbers_may_be_as_large_as_they_like(huge: float, items: bool) -> None:
    numbers = [np.random.default_rng(1).normal(2, 0.1, size=(2, 5)) for _ in range(3)]
    numbers[0][0, 2], numbers[1][1], numbers[1][0] = huge, huge, -huge / 2
    series = numbers_of(*numbers)
    means = means_of(series if items else [replace(each, items=(), unbounded=False) for each in series])
    assert ties(sorted(means, key=lambda mean: mean.mean))
    assert contrast(0.0, numbers_of(numbers[0][:1])).known, "a single run's"
    for mean in means[:2]:
        assert mean.low is None or mean.low < mean.mean - huge / 100
    confirmed = searched(
        [
            {"metric": "train_loss", "direction": "min"},
            {"metric": "words", "direction": "min", "ceiling": 3.0},
        ],
        "words",
        numbers,
    )
    assert recommend(confirmed).trial == 2
    json.dumps(confirmation_block(confirmed, confirmation(confirmed)), allow_nan=False)  # type: ignore[arg-type]


def test_how_seeds_differ_on_items_counts_once_for_a_candidate_with_one_repetition() -> None:
    """Others' repetitions differ on single questions alone, which the interval over the questions holds."""
    right = (np.arange(40) % 4 > 0).astype(float)
    others = [np.array([np.roll(right, shift) for shift in range(4)])] * 2
    judged = of_series(single := [shares(right[None]), *map(shares, others)])[0]
    assert judged is not None
    assert judged.between.variance is not None
    assert judged.between.variance > 0
    assert judged.interval() == contrast(0.0, [single[0]]).interval()  # type: ignore[list-item]


def test_the_interval_of_a_loss_does_not_reach_below_0() -> None:
    confirmed = confirmation(own_metric([0.0] * 10, [0.0] * 10))
    assert confirmed is not None
    loss = confirmed.candidates[0].estimates["train_loss"]
    assert (loss.low, loss.n) == (0.0, 2)
