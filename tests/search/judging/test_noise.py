"""The noise of candidates: between seeds, however unequally they differ, and in what tells two apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.coverage import Setting, measure
from search.judging.confirmation import confirmation
from search.judging.noise import Array, Series
from search.judging.pooled import PooledMean, ties
from search.judging.recommend import recommend
from search.judging.repeated import of_series, pooled_means
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
    assert means[0].noise == "the noise between seeds"


def own_metric(*runs: Sequence[float], **bound: float) -> SearchState:
    """A search with a metric of the user's, and repetitions of its trial with a number for each question."""
    objectives = [
        {"metric": "train_loss", "direction": "min"},
        {"metric": "refuses", "direction": "min", **bound},
    ]
    first, *others = opening_events(make_config(objectives=objectives))
    metrics = (*EXPLAINED.metrics, RecordedMetric(name="refuses", direction="min"))
    explained = EXPLAINED.model_copy(update={"metrics": metrics})
    events: list[Event] = [first.model_copy(update={"trainable": explained}), *others]
    for number, values in enumerate([runs[0], *runs]):
        measured = {"train_loss": 1.0 + 0.2 * number**2, "refuses": float(np.mean(values))}
        for event in trial_events(number, measured, repeats=0 if number else None):
            if isinstance(event, RungReached):
                event = event.model_copy(update={"values": {"refuses": list(values)}})
            events.append(event)
    return SearchState.from_events(events)


def test_a_metric_of_zeros_and_ones_is_a_share() -> None:
    (held,) = recommend(own_metric([0.0] * 10, [0.0] * 10, ceiling=0.02)).constraints
    assert held.word == "not shown to be kept"
    assert held.low == 0
    assert held.high is not None
    assert held.high >= wilson(0, 10).high


def test_numbers_that_all_agree_do_not_tell_their_noise() -> None:
    (held,) = recommend(own_metric([2.0] * 10, [2.0] * 10, ceiling=3.0)).constraints
    assert (held.word, held.low, held.high) == ("not shown to be kept", None, None)


def test_a_candidate_whose_numbers_all_agree_has_the_noise_of_the_others() -> None:
    random = np.random.default_rng(1)
    numbers = [np.full((2, 40), 2.0), random.normal(2, 1, size=(2, 40)), random.normal(2, 1, size=(2, 40))]
    series = [Series(1.0, each.mean(axis=1), 0, (("words", each),), unbounded=True) for each in numbers]
    judged = [each for each in of_series(series) if each is not None]
    assert all(each.between.moderated for each in judged)
    low, high = judged[0].interval()
    assert high - low > 0.1


def test_the_interval_of_a_loss_does_not_reach_below_0() -> None:
    confirmed = confirmation(own_metric([0.0] * 10, [0.0] * 10))
    assert confirmed is not None
    loss = confirmed.candidates[0].estimates["train_loss"]
    assert (loss.low, loss.n) == (0.0, 2)
