"""The statistics of repetitions."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from search.judging.confirmation import confirmation
from search.judging.noise import Series
from search.judging.paired import Pairs, ratio_of_pairs
from search.judging.pooled import PooledMean, ties
from search.judging.repeated import pooled_means
from search.record import BaselineMeasured, Event, RungReached, SearchState, TrialFinished, TrialProposed
from search.record.explained import explanation
from tests.records import make_config, opening_events, trial_events
from trainables.interval import Interval, t_quantile

VALUES = st.floats(-100, 100)


def means_of(*columns: list[float]) -> tuple[list[PooledMean], float]:
    """Means of values that are measured without items."""
    series = [Series(1.0, np.array(column), 0) for column in columns]
    means = [each for each in pooled_means(series) if each is not None]
    return means, means[0].freedom


def half(mean: PooledMean) -> float:
    assert mean.low is not None
    return mean.mean - mean.low


@given(st.lists(VALUES, min_size=2, max_size=8))
def test_one_candidate_has_the_usual_interval_of_a_mean(column: list[float]) -> None:
    (pooled,), freedom = means_of(column)
    assert freedom == len(column) - 1
    assert pooled.mean == pytest.approx(statistics.fmean(column))
    error = statistics.stdev(column) / math.sqrt(len(column))
    assert pooled.error == pytest.approx(error, abs=1e-9)
    if pooled.low is not None:
        assert half(pooled) == pytest.approx(t_quantile(0.975, freedom) * error, abs=1e-6)


@given(st.lists(st.lists(VALUES, min_size=1, max_size=4), min_size=1, max_size=4), VALUES)
def test_the_pooled_variance_does_not_know_the_means(columns: list[list[float]], shift: float) -> None:
    before, freedom = means_of(*columns)
    moved = [[value + shift * index for value in column] for index, column in enumerate(columns)]
    after, _ = means_of(*moved)
    freedoms = [len(column) - 1 for column in columns]
    assert freedom == freedoms[0] + min(sum(freedoms[1:]), 2)
    for mean, other in zip(before, after, strict=True):
        assert (mean.error is None) == (not any(freedoms))
        assert (mean.error or 0.0) == pytest.approx(other.error or 0.0, abs=1e-6)


def test_candidates_share_one_variance() -> None:
    # Sums of squares 2 and 8 over 1 + 1 degrees of freedom: variance 5.
    (first, second, single), freedom = means_of([1.0, 3.0], [0.0, 4.0], [7.0])
    assert freedom == 2
    assert first.error == second.error == pytest.approx(math.sqrt(5 / 2))
    assert single.error == pytest.approx(math.sqrt(5))
    assert half(single) == pytest.approx(4.3027 * math.sqrt(5), rel=1e-4)


def tie_of(draws: np.ndarray) -> bool:
    """Whether the candidates, one per row, all tie with the best."""
    means, _ = means_of(*(list(map(float, row)) for row in draws))
    means.sort(key=lambda mean: mean.mean)
    return all(ties(means))


@pytest.mark.parametrize(("candidates", "seeds"), [(2, 2), (3, 2), (4, 3)])
def test_equal_candidates_are_called_a_tie_in_nine_of_ten_searches(candidates: int, seeds: int) -> None:
    generator = np.random.Generator(np.random.PCG64(0))
    draws = generator.normal(2.0, 0.05, size=(600, candidates, seeds))
    assert np.mean([tie_of(each) for each in draws]) >= 0.9


@pytest.mark.parametrize(("candidates", "seeds"), [(2, 3), (3, 2)])
def test_a_clear_difference_is_no_tie(candidates: int, seeds: int) -> None:
    generator = np.random.Generator(np.random.PCG64(1))
    draws = generator.normal(2.0, 0.05, size=(300, candidates, seeds))
    draws[:, 0] -= 1.0  # 20 standard deviations
    assert np.mean([tie_of(each) for each in draws]) <= 0.02


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    generator = np.random.Generator(np.random.PCG64(2))
    covered = []
    for draws in generator.normal(2.0, 0.05, size=(800, 3, 2)):
        means, _ = means_of(*(list(map(float, row)) for row in draws))
        covered += [abs(mean.mean - 2.0) <= half(mean) for mean in means]
    assert 0.93 < np.mean(covered) < 0.97


@given(st.lists(st.lists(VALUES, min_size=2, max_size=3), min_size=1, max_size=4))
def test_the_best_always_ties_with_itself_and_nearer_means_tie_before_farther(
    columns: list[list[float]],
) -> None:
    means, _ = means_of(*columns)
    means.sort(key=lambda mean: mean.mean)
    same = ties(means)
    assert same[0]
    if len({mean.n for mean in means}) == 1:
        assert same == sorted(same, reverse=True)


def test_without_a_second_repetition_the_noise_is_unknown() -> None:
    means, freedom = means_of([1.0], [1.1], [1.0])
    assert freedom == 0
    assert [(mean.error, mean.low) for mean in means] == [(None, None)] * 3
    assert ties(means) == [True, False, True]


def state_of(*events: list[Event], **changes: object) -> SearchState:
    opening = opening_events(make_config(**changes))  # type: ignore[arg-type]
    return SearchState.from_events([*opening, *(event for trial in events for event in trial)])


def trial(number: int, loss: float, retention: float = 1.0, repeats: int | None = None) -> list[Event]:
    return trial_events(number, {"train_loss": loss, "retention": retention}, repeats=repeats)


def test_the_run_that_chose_a_candidate_is_left_out() -> None:
    confirmed = confirmation(
        state_of(trial(0, 0.1), trial(1, 9.0), trial(2, 2.0, repeats=0), trial(3, 2.2, repeats=0))
    )
    assert confirmed is not None
    (only,) = confirmed.candidates
    assert (only.trial, only.runs, only.missing) == (0, (2, 3), 0)
    assert only.means == pytest.approx({"train_loss": 2.1, "retention": 1.0})


def test_a_mean_that_breaks_the_floor_is_out_whatever_the_search_run_gave() -> None:
    confirmed = confirmation(
        state_of(
            *(trial(0, 1.0), trial(1, 2.0)),
            *(trial(2, 1.0, 0.94, 0), trial(3, 1.0, 0.95, 0)),
            *(trial(4, 2.0, 0.94, 1), trial(5, 2.1, 0.99, 1)),
        )
    )
    assert confirmed is not None
    assert [(candidate.trial, candidate.keeps) for candidate in confirmed.candidates] == [
        (1, True),
        (0, False),
    ]
    assert confirmed.tied == (1,)


def test_a_candidate_that_diverges_with_another_seed_is_out() -> None:
    proposed = TrialProposed(trial=3, sampled={}, params={}, origin="confirmation", repeats=0)
    diverged = TrialFinished(trial=3, status="diverged", reason="NaN", failure_class="diverged")
    confirmed = confirmation(state_of(trial(0, 1.0), trial(2, 1.0, repeats=0), [proposed, diverged]))
    assert confirmed is not None
    (only,) = confirmed.candidates
    assert (only.runs, only.broken, only.keeps, only.missing) == ((2,), (3,), False, 0)


def test_repetitions_that_are_missing_are_counted() -> None:
    running: list[Event] = [TrialProposed(trial=3, sampled={}, params={}, origin="confirmation", repeats=0)]
    confirmed = confirmation(state_of(trial(0, 1.0), trial(2, 1.0, repeats=0), running))
    assert confirmed is not None
    assert [(candidate.runs, candidate.missing) for candidate in confirmed.candidates] == [((2,), 1)]
    assert confirmation(state_of(trial(0, 1.0), running)) is None, "none has finished"
    assert confirmation(state_of(trial(0, 1.0))) is None


def test_repetitions_that_agree_exactly_still_have_the_noise_of_the_questions() -> None:
    events: list[Event] = [*opening_events(), *trial_events(0, {"train_loss": 1.0, "retention": 0.98})]
    around = {"retention": Interval(low=0.93, high=1.01, n=100)}
    for number in (1, 2):
        values = {"train_loss": 1.0, "retention": 0.98}
        events += trial_events(number, values, around, repeats=0)
    confirmed = confirmation(SearchState.from_events(events))
    assert confirmed is not None
    estimates = confirmed.candidates[0].estimates
    assert (estimates["retention"].low, estimates["retention"].high) == pytest.approx((0.93, 1.01))
    assert estimates["train_loss"].low is None  # nothing tells its noise


QUESTIONS = st.integers(8, 60).flatmap(
    lambda n: st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=3, max_size=5)
)


ONE_SKILL = make_config(capability={"skills": [{"name": "facts", "path": "facts.jsonl"}]})
EXPLAINED = opening_events(ONE_SKILL)[0].model_copy(
    update={"trainable": explanation(ONE_SKILL.trainable, ONE_SKILL.options)}
)


@settings(max_examples=40)
@given(QUESTIONS)
def test_seeds_and_questions_make_the_interval_of_retention(rows: list[list[bool]]) -> None:
    """It is never of zero width, and as wide as that of the questions at least."""
    base, *runs = ("".join("01"[bit] for bit in row) for row in rows)
    assume("1" in base)
    right = base.count("1") / len(base)
    events = [EXPLAINED, *opening_events(ONE_SKILL)[1:]]
    events[-1] = BaselineMeasured(
        name="base", metrics={"capability": right}, items={"facts": base}, seconds=1.0
    )
    events += trial_events(0, {"train_loss": 1.0, "capability": 1.0, "retention": 1.0})
    for number, text in enumerate(runs, 1):
        share = text.count("1") / len(text)
        metrics = {"train_loss": 1.0, "capability": share, "retention": share / right}
        for event in trial_events(number, metrics, repeats=0):
            if isinstance(event, RungReached):
                event = event.model_copy(update={"items": {"facts": text}})
            events.append(event)
    confirmed = confirmation(SearchState.from_events(events))
    assert confirmed is not None
    mean = confirmed.candidates[0].estimates["retention"]
    of_questions = ratio_of_pairs([Pairs.over(base, runs)])
    if not math.isfinite(of_questions.high):
        assert (mean.low, mean.high) == (0.0, None)
        return
    assert mean.low is not None
    assert mean.high is not None
    assert 0 <= mean.low <= mean.mean <= mean.high
    assert mean.low < mean.high
    assert mean.low <= max(0.0, of_questions.low) + 1e-9
    assert mean.high >= of_questions.high - 1e-9
    assert mean.freedom == 2 + len(runs) - 1
