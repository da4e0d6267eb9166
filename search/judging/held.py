"""Whether a configuration keeps its floors and ceilings, in three words, and what would decide it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from search import wording
from search.config.schema import ObjectiveConfig
from search.judging.confirmation import Candidate
from search.judging.constraints import bound_name, bound_of, constraints_of
from search.judging.contrasts import POWER, Contrast
from search.judging.pooled import PooledMean
from search.judging.repeated import measured_means
from search.record import SearchState, TrialState
from search.record.explained import metric_of, trainable_of

Word: TypeAlias = Literal["kept", "not shown to be kept", "broken"]

_MOST_DECIMALS = 6
MOST_SEEDS = 100
"""The most that `confirm.seeds` takes."""


@dataclass(frozen=True)
class Held:
    """A constraint and what is shown of it.

    Attributes:
        constraint: In symbols, for example `retention >= 0.95`.
        bound: Its number.
        word: "kept" or "broken" where the whole 95% interval is on that side of the bound.
        value: Mean over the repetitions, or the value of the only run.
        low: Lower end of the 95% interval; None where nothing tells the noise.
        high: Upper end.
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
        if self.low is None or self.high is None:
            return wording.beside(self.value, self.bound, 3)
        ends = (self.value, self.low, self.high)
        decimals = 3 if self.high - self.low < 0.02 else 2
        while decimals < _MOST_DECIMALS and any(
            each != self.bound and float(wording.number(each, decimals)) == self.bound for each in ends
        ):
            decimals += 1
        value, low, high = (wording.number(each, decimals) for each in ends)
        return f"{value} [{low}, {high}]"


def word_of(objective: ObjectiveConfig, low: float | None, high: float | None) -> Word:
    """The word for an objective with a floor or a ceiling, by the ends of its interval."""
    bound = bound_of(objective)
    assert bound is not None
    if low is None or high is None:
        return "not shown to be kept"
    if bound_name(objective) == "ceiling":
        low, high, bound = -high, -low, -bound
    if low >= bound:
        return "kept"
    return "broken" if high < bound else "not shown to be kept"


def words_of(objectives: Sequence[ObjectiveConfig], means: Mapping[str, PooledMean]) -> list[Word]:
    """The word of each constraint; "not shown to be kept" without a mean."""
    return [
        word_of(objective, None, None)
        if (mean := means.get(objective.metric)) is None
        else word_of(objective, mean.low, mean.high)
        for objective in constraints_of(objectives)
    ]


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
        candidates: All whose repetitions tell the noise between seeds.
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
            each = _with_needed(state, each, measured)
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


def _with_needed(state: SearchState, held: Held, measured: Contrast) -> Held:
    apart = replace(measured, estimate=measured.estimate - held.bound)
    if not apart.known:
        return replace(held, decide="Nothing tells how much it differs between seeds.")
    metric, count = metric_of(trainable_of(state), held.metric), _items(measured)
    sample = "items" if metric is None else metric.sample
    parts, repetitions = [], None
    if (factor := apart.needed_items()) is not None and count:
        parts.append(f"{wording.rounded_up(count * factor)} {sample} in place of {count:,}")
    if (factor := apart.needed_trials()) is not None and math.ceil(factor * held.runs) <= MOST_SEEDS:
        repetitions = math.ceil(factor * held.runs)
        parts.append(f"{repetitions} seeds in place of {held.runs}")
    if not parts and (both := apart.needed()) is not None and count:
        parts.append(
            f"{wording.rounded_up(count * both.items)} {sample} in place of {count:,} with "
            f"{math.ceil(held.runs * both.trials)} seeds in place of {held.runs}"
        )
    if not parts:
        return replace(held, decide="No number of seeds or of items would decide it.")
    sentence = (
        f"About {' or '.join(parts)} would decide it with a probability of {POWER:.0%}, were the mean the "
        "true value."
    )
    return replace(held, decide=sentence, repetitions=repetitions)


def _items(measured: Contrast) -> int:
    return int(max((part.n for part in measured.parts), default=0))


def _symbols(objective: ObjectiveConfig) -> tuple[str, float]:
    bound = bound_of(objective)
    assert bound is not None
    return f"{objective.metric} {wording.constraint(objective)}", bound
