"""Whether a configuration keeps its floors and ceilings, in three words, and what would decide it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from search import wording
from search.config.schema import MOST_SEEDS, ObjectiveConfig
from search.judging.confirmation import Candidate, confirmation
from search.judging.constraints import bound_name, bound_of, constraints_of
from search.judging.contrasts import POWER, Contrast
from search.judging.objectives import objectives_of
from search.judging.pooled import ALPHA, PooledMean
from search.judging.repeated import measured_means, series_over
from search.record import SearchState, TrialState
from search.record.explained import metric_of, trainable_of

Word: TypeAlias = Literal["kept", "not shown to be kept", "broken"]
_BEST_FIRST: tuple[Word, ...] = ("kept", "not shown to be kept", "broken")

_MOST_DECIMALS = 6


@dataclass(frozen=True)
class Held:
    """A constraint and what is shown of it.

    Attributes:
        constraint: In symbols, for example `retention >= 0.95`.
        bound: Its number.
        word: "kept" or "broken" where the whole 95% interval is on that side of the bound.
        value: Mean over the repetitions, or the value of the only run.
        low: Lower end of the 95% interval; None where the noise is not known.
        high: Upper end, likewise.
        runs: Repetitions that it is the mean of; 0 where it is of the only run.
        decide: Where it is not decided: what would do, in a sentence.
        repetitions: Repetitions that would probably do, with the questions there are; None where none would.
    """

    metric: str
    constraint: str
    bound: float
    word: Word
    value: float
    low: float | None = None
    high: float | None = None
    runs: int = 0
    decide: str | None = None
    repetitions: int | None = None

    def __str__(self) -> str:
        return f"{self.constraint}: {self.word}, {self.measured}"

    @property
    def measured(self) -> str:
        """The value with its interval, with as many decimals as show on which side of the bound they lie."""
        around = wording.around(self.low, self.high, self.runs)
        if around is None:
            return wording.beside(self.value, self.bound, 3)
        ends = (self.value, around.low, around.high)
        decimals = 3 if around.high - around.low < 0.02 else 2
        while decimals < _MOST_DECIMALS and any(
            each != self.bound and float(wording.number(each, decimals)) == self.bound for each in ends
        ):
            decimals += 1
        value, low, high = (wording.number(each, decimals) for each in ends)
        return f"{value} [{low}, {high}]"


def word_of(objective: ObjectiveConfig, low: float | None, high: float | None) -> Word:
    """The word for an objective with a floor or a ceiling, by those ends of its interval that are known."""
    bound = bound_of(objective)
    assert bound is not None
    low, high = -math.inf if low is None else low, math.inf if high is None else high
    if bound_name(objective) == "ceiling":
        low, high, bound = -high, -low, -bound
    if low >= bound:
        return "kept"
    return "broken" if high < bound else "not shown to be kept"


def words_of(
    objectives: Sequence[ObjectiveConfig], means: Mapping[str, PooledMean], alpha: float = ALPHA
) -> list[Word]:
    """The word of each constraint by `PooledMean.ends`; "not shown to be kept" without a mean."""
    return [
        word_of(objective, None, None)
        if (mean := means.get(objective.metric)) is None
        else word_of(objective, *mean.ends(alpha))
        for objective in constraints_of(objectives)
    ]


def word_over_all(objectives: Sequence[ObjectiveConfig], means: Mapping[str, PooledMean]) -> Word:
    """The worst of the words of all constraints; "kept" without any."""
    return max(words_of(objectives, means), key=_BEST_FIRST.index, default="kept")


def held_by_means(
    state: SearchState,
    objectives: Sequence[ObjectiveConfig],
    candidates: Sequence[Candidate],
    best: Candidate,
) -> tuple[Held, ...]:
    """The constraints by a candidate's means over repetitions.

    Args:
        state: A search that has begun.
        objectives: As configured.
        candidates: All from whose repetitions the noise between seeds is estimated.
        best: One of them, with a repetition.
    """
    runs = [[state.trials[number] for number in candidate.runs] for candidate in candidates]
    held = []
    for objective in constraints_of(objectives):
        mean = best.estimates[objective.metric]
        word = word_of(objective, mean.low, mean.high)
        symbols, bound = _symbols(objective)
        each = Held(objective.metric, symbols, bound, word, mean.mean, mean.low, mean.high, mean.n)
        measured = measured_means(state, objective.metric, runs)[candidates.index(best)]
        if word == "not shown to be kept" and measured is not None:
            series = series_over(state, objective.metric, runs[candidates.index(best)])
            each = _with_needed(state, each, measured, 0 if series is None else series.count)
        held.append(each)
    return tuple(held)


def held_by_run(objectives: Sequence[ObjectiveConfig], trial: TrialState) -> tuple[Held, ...]:
    """The constraints by a trial's only run, which does not show that they are kept: another seed may not."""
    assert trial.last is not None
    held = []
    for objective in constraints_of(objectives):
        low, high = (trial.last.intervals.get(objective.metric) or (None, None, 0))[:2]
        word, decide = word_of(objective, low, high), None
        if word != "broken":
            word, decide = "not shown to be kept", "Only repetitions with new seeds can show it."
        symbols, bound = _symbols(objective)
        value = trial.last.metrics.get(objective.metric, math.nan)
        held.append(Held(objective.metric, symbols, bound, word, value, low, high, 0, decide))
    return tuple(held)


def held_by_trial(state: SearchState, number: int) -> tuple[Held, ...]:
    """The constraints by those repetitions of a measured trial that completed, or without any by its run."""
    objectives, confirmed = objectives_of(state), confirmation(state)
    for candidate in () if confirmed is None else confirmed.candidates:
        if candidate.trial == number and candidate.runs and confirmed is not None:
            return held_by_means(state, objectives, confirmed.candidates, candidate)
    return held_by_run(objectives, state.trials[number])


def _with_needed(state: SearchState, held: Held, measured: Contrast, count: int) -> Held:
    """With the seeds, or the so many items, that would decide it."""
    apart = replace(measured, estimate=measured.estimate - held.bound)
    if apart.between.variance is None:
        decide = "Only a second repetition can show how much it differs between seeds."
        return replace(held, decide=decide, repetitions=2)
    if not apart.known:
        return replace(held, decide="Its repetitions agree exactly, so the noise between seeds is unknown.")
    metric = metric_of(trainable_of(state), held.metric)
    sample = "items" if metric is None else metric.sample

    def items(factor: float) -> str:
        return f"{wording.rounded_up(count * factor)} {sample} in place of {count:,}"

    def seeds(factor: float) -> str:
        return f"{wording.rounded_up(math.ceil(held.runs * factor))} seeds in place of {held.runs}"

    def can_be_asked_for(factor: float) -> bool:
        return math.ceil(held.runs * factor) <= MOST_SEEDS

    parts, beyond, repetitions = [], None, None
    if count and (more_items := apart.needed_items()) is not None:
        parts.append(items(more_items))
    if (more := apart.needed_trials()) is not None:
        if can_be_asked_for(more):
            repetitions = math.ceil(held.runs * more)
            parts.append(seeds(more))
        else:
            beyond = seeds(more)
    if not parts and count and (both := apart.needed_both()) is not None:
        together = f"{items(both)} with {seeds(both)}"
        if can_be_asked_for(both):
            parts.append(together)
        else:
            beyond = beyond or together
    return replace(held, decide=_sentence(parts, beyond, sample if count else None), repetitions=repetitions)


def _sentence(parts: Sequence[str], beyond: str | None, sample: str | None) -> str:
    """What would decide, in a sentence.

    Args:
        parts: What would do, each by itself.
        beyond: Otherwise: what would, with more seeds than can be asked for; None where nothing would.
        sample: What the items are, in the plural; None where there are none.
    """
    if parts:
        probably = f"would decide it with a probability of {POWER:.0%}, were the mean the true value"
        return f"About {' or '.join(parts)} {probably}."
    if beyond is not None:
        return f"It would take about {beyond} to decide it, and confirm.seeds is at most {MOST_SEEDS}."
    of_items = "" if sample is None else f" or of {sample}"
    return f"No number of seeds{of_items} would decide it, were the mean the true value."


def _symbols(objective: ObjectiveConfig) -> tuple[str, float]:
    bound = bound_of(objective)
    assert bound is not None
    return f"{objective.metric} {wording.constraint(objective)}", bound
