"""What a claim speaks of: the trials that its metrics are means over, and what was measured of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from search import wording
from search.claims import Claim, Filter, Quantity
from search.config.schema import HypothesisConfig
from search.judging.confirmation import confirmation
from search.judging.front import on_front
from search.judging.noise import Seeds, Series
from search.judging.objectives import completed_trials, metrics_of
from search.judging.recommend import recommend
from search.judging.recorded_series import measured_series
from search.judging.repeated import between_seeds
from search.record import SearchState, TrialState
from search.record.events import Scalar
from search.record.explained import trainable_of


class UnansweredError(Exception):
    """A claim speaks of something that was not measured; the message is a sentence for people."""


@dataclass(frozen=True)
class Evidence:
    """What was measured of all that a claim names.

    Attributes:
        series: Of each quantity, in the claim's order.
        groups: Numbers of the trials of each group.
        basis: What the metrics are means over, in words.
        repeated: Whether these are repetitions of one configuration.
        overlapping: Whether groups share trials.
        seeds: Noise of the combination between seeds, estimated as in confirmation.
        caveats: What is uncertain about it, in sentences.
    """

    series: tuple[Series, ...]
    groups: tuple[tuple[int, ...], ...]
    basis: str
    repeated: bool = False
    overlapping: bool = False
    seeds: Seeds | None = None
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Pool:
    """Trials that count, before a claim's own filters.

    Attributes:
        candidates: The repetitions of each candidate of confirmation, where those of one are the trials.
    """

    trials: tuple[TrialState, ...]
    basis: str
    repeated: bool = False
    candidates: tuple[tuple[TrialState, ...], ...] = ()
    caveats: tuple[str, ...] = field(default=())


def gather(state: SearchState, hypothesis: HypothesisConfig, claim: Claim) -> Evidence:
    """The evidence on a claim.

    Raises:
        UnansweredError: Something that it names was not measured.
    """
    filters = list(dict.fromkeys(each.filters for each in claim.quantities if each.baseline is None))
    if not filters:
        series = tuple(_of_baseline(state, each, claim.difference.terms[each]) for each in claim.quantities)
        return Evidence(series, (), "baselines alone", caveats=tuple(_once(state, claim)))
    pool = _pool(state, hypothesis, claim)
    groups = _groups(pool, hypothesis, claim, filters)
    groups, matched = _matched(groups, filters)
    series = tuple(_series(state, claim, groups, filters, matched))
    numbers = tuple(tuple(trial.number for trial in group) for group in groups)
    shared = not matched and len(set().union(*numbers)) < sum(map(len, numbers))
    return Evidence(
        series,
        numbers,
        _basis(pool, hypothesis, filters, groups, matched),
        repeated=pool.repeated,
        overlapping=shared,
        seeds=_seeds(state, claim, pool),
        caveats=(
            *pool.caveats,
            *_lost(pool, hypothesis, filters, groups, matched),
            *_once(state, claim),
        ),
    )


def _once(state: SearchState, claim: Claim) -> Iterable[str]:
    """Baselines whose differences between seeds nothing measures."""
    named = dict.fromkeys(each.baseline for each in claim.quantities)
    trained = [name for name in trainable_of(state).trained_baselines if name in named]
    if trained:
        some, was, they = ("", "was", "it differs") if len(trained) == 1 else ("s", "were", "they differ")
        yield (
            f"The baseline{some} {' and '.join(trained)} {was} trained once, with one seed: the interval "
            f"leaves out how much {they} between seeds."
        )


def _pool(state: SearchState, hypothesis: HypothesisConfig, claim: Claim) -> _Pool:
    scope = hypothesis.scope(any(quantity.filters for quantity in claim.quantities))
    if scope == "recommended":
        return _recommended(state, claim)
    if scope == "front":
        trials = [state.trials[number] for number in on_front(state)]
        what = "on the Pareto front"
    else:
        trials = completed_trials(state)
        what = "at full budget"
    if not trials:
        raise UnansweredError("No trial has reached the full budget.")
    return _Pool(tuple(trials), what, caveats=tuple(_mixed(trials)))


def _mixed(trials: Sequence[TrialState]) -> Iterable[str]:
    if len(trials) > 1:
        yield "It is about the mean over these trials, whose differences count as noise."


def _recommended(state: SearchState, claim: Claim) -> _Pool:
    """The repetitions of the recommended configuration, or its only run."""
    number = recommend(state).trial
    if number is None:
        raise UnansweredError("No trial is recommended.")
    confirmed = confirmation(state)
    runs = {each.trial: each.runs for each in confirmed.candidates} if confirmed else {}
    usable = {
        candidate: tuple(
            state.trials[run] for run in numbers if _is_measured(state.trials[run], claim.quantities)
        )
        for candidate, numbers in runs.items()
    }
    if repetitions := usable.get(number, ()):
        basis = f"{wording.plural(len(repetitions), 'repetition')} of the recommended trial {number}"
        return _Pool(repetitions, basis, True, tuple(usable.values()))
    basis = f"the one run of the recommended trial {number}"
    caveat = "It rests on one run, which was chosen for being good: such runs are lucky on average."
    return _Pool((state.trials[number],), basis, True, tuple(usable.values()), (caveat,))


def _groups(
    pool: _Pool, hypothesis: HypothesisConfig, claim: Claim, filters: Sequence[tuple[Filter, ...]]
) -> list[list[TrialState]]:
    """The trials that each set of filters keeps, as far as what the claim names was measured of them."""
    groups = []
    for kept in filters:
        quantities = [each for each in claim.quantities if each.baseline is None and each.filters == kept]
        chosen = _chosen(pool, hypothesis, kept)
        measured = [trial for trial in chosen if _is_measured(trial, quantities)]
        if not chosen:
            raise UnansweredError(f"No trial {pool.basis} has {_conditions(hypothesis, kept)}.")
        if not measured:
            names = " and ".join(dict.fromkeys(each.metric for each in quantities))
            raise UnansweredError(
                f"{names} was not measured for {wording.names([t.number for t in chosen])}."
            )
        groups.append(measured)
    return groups


def _chosen(pool: _Pool, hypothesis: HypothesisConfig, kept: Sequence[Filter]) -> list[TrialState]:
    conditions = (*hypothesis.filters.values(), *kept)
    return [trial for trial in pool.trials if all(each.keeps(trial.params) for each in conditions)]


def _is_measured(trial: TrialState, quantities: Iterable[Quantity]) -> bool:
    metrics = metrics_of(trial)
    return all(
        math.isfinite(metrics.get(each.metric, math.nan)) for each in quantities if each.baseline is None
    )


def _matched(
    groups: list[list[TrialState]], filters: Sequence[tuple[Filter, ...]]
) -> tuple[list[list[TrialState]], bool]:
    """Groups whose trials differ in the filtered parameters alone, in the same order, where that is so.

    A trial that has no counterpart in every group is then left out.
    """
    if len(groups) < 2:
        return groups, False
    varied = {each.parameter for kept in filters for each in kept}
    keyed = [{_without(trial, varied): trial for trial in group} for group in groups]
    common = [key for key in keyed[0] if all(key in other for other in keyed[1:])]
    unique = all(len(by_key) == len(group) for by_key, group in zip(keyed, groups, strict=True))
    distinct = len({trial.number for group in groups for trial in group}) == sum(map(len, groups))
    if not unique or not distinct or len(common) < 2:
        return groups, False
    return [[by_key[key] for key in common] for by_key in keyed], True


def _without(trial: TrialState, varied: set[str]) -> tuple[tuple[str, str, Scalar], ...]:
    sampled = sorted(trial.proposed.sampled.items())
    return tuple((name, type(value).__name__, value) for name, value in sampled if name not in varied)


def _series(
    state: SearchState,
    claim: Claim,
    groups: Sequence[Sequence[TrialState]],
    filters: Sequence[tuple[Filter, ...]],
    matched: bool,
) -> Iterable[Series]:
    for quantity, coefficient in claim.difference.terms.items():
        if quantity.baseline is not None:
            yield _of_baseline(state, quantity, coefficient)
            continue
        index = filters.index(quantity.filters)
        rungs = [trial.last for trial in groups[index] if trial.last is not None]
        yield measured_series(state, quantity.metric, coefficient, rungs, 0 if matched else index)


def _of_baseline(state: SearchState, quantity: Quantity, coefficient: float) -> Series:
    baseline = state.baselines.get(str(quantity.baseline))
    if baseline is None:
        raise UnansweredError(f"The baseline {quantity.baseline} was not measured.")
    if not math.isfinite(baseline.metrics.get(quantity.metric, math.nan)):
        raise UnansweredError(f"{quantity.metric} was not measured for the baseline {quantity.baseline}.")
    return measured_series(state, quantity.metric, coefficient, [baseline], None)


def _seeds(state: SearchState, claim: Claim, pool: _Pool) -> Seeds | None:
    """Noise of the claim's difference between seeds, from all candidates; None where none has two runs."""
    if not any(len(runs) > 1 for runs in pool.candidates):
        return None
    others = [runs for runs in pool.candidates if runs and runs != pool.trials]
    groups = [
        [each for each in _series(state, claim, [runs], [()], False) if each.group is not None]
        for runs in (pool.trials, *others)
    ]
    noise = between_seeds(groups)
    return None if noise is None else noise[0]


def _conditions(hypothesis: HypothesisConfig, kept: Iterable[Filter]) -> str:
    return ", ".join(str(each) for each in (*hypothesis.filters.values(), *kept))


def _basis(
    pool: _Pool,
    hypothesis: HypothesisConfig,
    filters: Sequence[tuple[Filter, ...]],
    groups: Sequence[Sequence[TrialState]],
    matched: bool,
) -> str:
    if pool.repeated:
        return pool.basis
    where = _conditions(hypothesis, ())
    counted = f"{pool.basis}{' with ' + where if where else ''}"
    if len(groups) == 1:
        condition = f" with {_conditions(hypothesis, filters[0])}" if filters[0] else ""
        return f"{wording.plural(len(groups[0]), 'trial')} {pool.basis if condition else counted}{condition}"
    if matched:
        count = wording.plural(len(groups[0]), "set")
        return f"{count} of trials {counted} that are alike but for {_varied(filters)}"
    each = [
        f"{len(group)} with {', '.join(map(str, kept))}" if kept else f"{len(group)} in all"
        for kept, group in zip(filters, groups, strict=True)
    ]
    return f"trials {counted}: {' and '.join(each)}"


def _varied(filters: Iterable[Iterable[Filter]]) -> str:
    return " and ".join(dict.fromkeys(each.parameter for kept in filters for each in kept))


def _lost(
    pool: _Pool,
    hypothesis: HypothesisConfig,
    filters: Sequence[tuple[Filter, ...]],
    groups: Sequence[Sequence[TrialState]],
    matched: bool,
) -> Iterable[str]:
    """Said where trials that were meant do not count."""
    meant = {trial.number for kept in filters for trial in _chosen(pool, hypothesis, kept)}
    lost = sorted(meant - {trial.number for group in groups for trial in group})
    if lost:
        why = "without a finite value or a counterpart" if matched else "without a finite value"
        yield f"Left out, {why}: {wording.names(lost)}."
