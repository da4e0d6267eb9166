"""Which configuration to use, why, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from search import wording
from search.config.schema import ObjectiveConfig
from search.judging.causes import why_none_completed
from search.judging.confirmation import SEED, Candidate, Confirmation, confirmation, over_seeds
from search.judging.constraints import (
    bound_name,
    bound_of,
    constraint_violations,
    constraints_of,
    total_violation,
)
from search.judging.extending import extension
from search.judging.objectives import (
    completed_trials,
    costs_of,
    is_measured,
    metrics_of,
    objectives_of,
    rank_trials,
)
from search.record import SearchState, TrialState
from search.record.events import Params
from search.record.explained import metric_of, trainable_of
from trainables.interval import Interval

_FASTER = 1.1
"""Training times within 10% of the least count as equal: they vary from run to run."""


@dataclass(frozen=True)
class Recommendation:
    """What to use.

    Attributes:
        trial: Number of the recommended trial, or None where no trial can be recommended.
        reason: Why this trial; or why none, and what to do about it.
        caveats: What is uncertain about it, one sentence each.
        nearest: Without a recommended trial: the one that came nearest to keeping the constraints.
    """

    trial: int | None
    reason: str
    caveats: tuple[str, ...] = ()
    nearest: int | None = None


def recommend(state: SearchState) -> Recommendation:
    """The best candidate by its repetitions; where nothing was repeated, the best trial by its only run.

    Where there are repetitions, the search's own runs do not count: they chose the candidates, and the best
    of many runs is lucky on average. Where the space has seeds of its own, trials that differ in them alone
    are runs of one setting, and the settings are compared by their means.
    """
    completed = completed_trials(state)
    if not completed:
        return Recommendation(None, why_none_completed(state))
    candidates = confirmation(state)
    if candidates is None:
        choice = _by_settings(state, completed) or _by_search_runs(
            objectives_of(state), completed, extension(state).advice
        )
    else:
        choice = _by_repetitions(state, candidates)
    if choice.trial is None:
        return choice
    caveats = [*choice.caveats, *_not_shown(state)]
    if state.unfinished:
        caveats.append(f"The search has {wording.plural(len(state.unfinished), 'unfinished trial')}.")
    return replace(choice, caveats=tuple(caveats))


def _not_shown(state: SearchState) -> Iterator[str]:
    """What the objectives cannot show by their nature."""
    for objective in objectives_of(state):
        metric = metric_of(trainable_of(state), objective.metric)
        if metric is not None and metric.caveat:
            yield metric.caveat


def constraint_symbols(objectives: Sequence[ObjectiveConfig]) -> str:
    """The constraints in symbols, for example `retention >= 0.95`."""
    return " and ".join(
        f"{objective.metric} {wording.constraint(objective)}" for objective in constraints_of(objectives)
    )


def cheapest(
    tied: Sequence[Candidate], params: Mapping[int, Params], artifact: str = "adapter"
) -> tuple[Candidate, str]:
    """The candidate with the smallest adapter, or else the one that trains fastest.

    Adapters that adapt the same layers differ in size as their ranks do. Where the layers differ, or the
    ranks do not, the mean training time decides, and where that is equal too, the mean of the first
    objective.

    Args:
        tied: Best first; at least two.
        params: Parameters of each trial, by its number.
        artifact: What trials leave behind.

    Returns:
        The candidate, and why it, in words that follow "it is taken because".
    """
    left, among = list(tied), ""
    ranks = _ranks(left, params)
    if ranks is not None and len(set(ranks.values())) > 1:
        least = min(ranks.values())
        left = [candidate for candidate in left if ranks[candidate.trial] == least]
        if len(left) == 1:
            others = " and ".join(wording.scalar(rank) for rank in sorted({*ranks.values()} - {least}))
            return left[0], f"its {artifact} is the smallest (rank {wording.scalar(least)} against {others})"
        among = f"of those with the smallest rank, {wording.scalar(least)}, "
    quickest = min(candidate.train_seconds for candidate in left)
    fast = [candidate for candidate in left if candidate.train_seconds <= _FASTER * quickest]
    if len(fast) == 1:
        return fast[0], f"{among}it trains fastest ({wording.duration(quickest)} on average)"
    if len(fast) < len(left):
        return fast[0], f"{among}of those that train fastest, its mean is the best"
    return fast[0], f"{among}none is clearly cheaper and its mean is the best"


def _ranks(tied: Sequence[Candidate], params: Mapping[int, Params]) -> dict[int, float] | None:
    """Rank of each; None where a candidate has none, or where they do not adapt the same layers."""
    adapted = {
        (params[candidate.trial].get("target_modules"), params[candidate.trial].get("layers"))
        for candidate in tied
    }
    if len(adapted) > 1:
        return None
    ranks = {}
    for candidate in tied:
        rank = params[candidate.trial].get("rank")
        if not isinstance(rank, int | float) or isinstance(rank, bool):
            return None
        ranks[candidate.trial] = float(rank)
    return ranks


def _by_settings(state: SearchState, completed: Sequence[TrialState]) -> Recommendation | None:
    """The setting with the best mean over the space's own seeds, by its best trial.

    None where the space has none, or no mean keeps the constraints.
    """
    objectives = objectives_of(state)
    settings = over_seeds(state, completed)
    kept = [candidate for candidate in settings if candidate.keeps]
    if not kept:
        return None
    best = min(kept, key=lambda candidate: (costs_of(objectives, candidate.means), candidate.trial))
    others = {
        name: value for name, value in state.trials[best.trial].proposed.sampled.items() if name != SEED
    }
    clause = f" {_constraint_clause(objectives)}" if constraints_of(objectives) else ""
    first, seeds = objectives[0], wording.plural(len(best.runs), "seed")
    reason = (
        f"{wording.params(others)}: {_estimates(objectives, best)} (mean over {seeds}), the {first.best} "
        f"{first.metric} of {wording.plural(len(kept), 'setting')}{clause}"
    )
    lucky = (
        f"Trial {best.trial} is the best of the {len(best.runs)} with this setting, so its own values are "
        "lucky on average: expect the means of another seed."
    )
    return Recommendation(best.trial, reason, (*_unsure_of_seeds(objectives, best), lucky))


def _by_search_runs(
    objectives: Sequence[ObjectiveConfig], completed: Sequence[TrialState], advice: str
) -> Recommendation:
    """The best value of the first objective among trials that keep every constraint.

    Constraints are checked on the measured values; where an interval reaches past one, a caveat says
    so. Ties go to the better value of the objectives that follow, then to the lower number.

    Args:
        objectives: As configured.
        completed: Trials that reached the full budget; at least one.
        advice: What to do where none keeps them.
    """
    kept = rank_trials(objectives, completed)
    if not kept:
        return _no_run_kept(objectives, completed, advice)
    best = kept[0]
    caveats = (*_unsure_of_run(objectives, best), _only_one_run(objectives[0], kept))
    return Recommendation(best.number, _best_run(objectives, best, len(kept)), caveats)


def _best_run(objectives: Sequence[ObjectiveConfig], best: TrialState, kept: int) -> str:
    """The parameters, the first objective, and the constrained ones."""
    first = objectives[0]
    name = wording.params(best.proposed.sampled) or f"trial {best.number}"
    place = "the only completed trial"
    if kept > 1:
        place = f"the {first.best} of the {kept} completed trials"
    sentence = f"{name}: {first.metric} {_value(first, best)}, {place}"
    constraints = constraints_of(objectives)
    if not constraints:
        return sentence
    if len(constraints) == 1 and constraints[0] is not first:
        values = _value(constraints[0], best)
    else:
        values = "; ".join(f"{objective.metric} {_value(objective, best)}" for objective in constraints)
    return f"{sentence} {_constraint_clause(objectives)} ({values})"


def _unsure_of_run(objectives: Sequence[ObjectiveConfig], best: TrialState) -> Iterator[str]:
    """One sentence per constraint that the interval does not settle."""
    assert best.last is not None
    for objective in constraints_of(objectives):
        kind, interval = bound_name(objective), best.last.intervals.get(objective.metric)
        if interval is None:
            yield f"{objective.metric} has no interval, so it is unknown how certainly it keeps the {kind}."
        elif _reaches_past_bound(objective, interval):
            yield (
                f"The 95% interval of {objective.metric}, {wording.bracket(interval)}, reaches past the "
                f"{kind} {bound_of(objective):g}: n={interval.n} is too few to be sure that it holds."
            )


def _only_one_run(first: ObjectiveConfig, kept: Sequence[TrialState]) -> str:
    if len(kept) == 1:
        return "It was trained once, with one seed; another seed gives other values."
    second = kept[1]
    return (
        "Each trial was trained once, with one seed; another seed may change the order. The next best is "
        f"trial {second.number} with {first.metric} {_value(first, second, with_n=False)}."
    )


def _no_run_kept(
    objectives: Sequence[ObjectiveConfig], completed: Sequence[TrialState], advice: str
) -> Recommendation:
    """No trial keeps the constraints: the nearest, and what to do."""
    measured = [trial for trial in completed if is_measured(objectives, metrics_of(trial))]
    if not measured:
        names = " and ".join(objective.metric for objective in objectives)
        return Recommendation(
            None,
            f"None of the {len(completed)} completed trials has a finite value of {names}. "
            "Look at the trials' metrics in the record, and begin a new search with the fault corrected.",
        )

    def distance(trial: TrialState) -> tuple[float, tuple[float, ...], int]:
        metrics = metrics_of(trial)
        return _violation(objectives, metrics), costs_of(objectives, metrics), trial.number

    nearest = min(measured, key=distance)
    constraints = constraints_of(objectives)
    others = [objectives[0]] if objectives[0] not in constraints else []
    values = "; ".join(
        f"{objective.metric} {_value(objective, nearest)}" for objective in [*constraints, *others]
    )
    floors = all(objective.floor is not None for objective in constraints)
    less = "a lower floor" if floors else "other bounds"
    many = len(completed) > 1
    subject = (
        f"None of the {len(completed)} completed trials keeps" if many else "The one completed trial breaks"
    )
    return Recommendation(
        None,
        f"{subject} {constraint_symbols(objectives)}. "
        f"Trial {nearest.number} came nearest ({wording.params(nearest.proposed.sampled)}): {values}. "
        f"{advice}{_with_lower_lr(nearest, ', ')}, or accept {less}.",
        nearest=nearest.number,
    )


def _by_repetitions(state: SearchState, confirmed: Confirmation) -> Recommendation:
    """The candidate with the best mean of the first objective, or the cheapest of those that tie with it.

    Candidates whose means break a constraint, or of which a repetition diverged, are out, whatever the
    search's own runs gave.
    """
    objectives = objectives_of(state)
    if not confirmed.tied:
        return _no_candidate_kept(state, confirmed)
    by_number = {candidate.trial: candidate for candidate in confirmed.candidates}
    tied = [by_number[number] for number in confirmed.tied]
    if len(tied) > 1:
        params = {number: state.trials[number].params for number in confirmed.tied}
        best, because = cheapest(tied, params, trainable_of(state).artifact)
        tie = _tie(objectives[0], confirmed, tied[0])
        place = f". {tie}; trial {best.trial} is chosen because {because}"
    else:
        best, place = tied[0], _place(objectives, confirmed)
    caveats = (*_ruled_out(objectives, confirmed), *_unsure_of_candidate(state, objectives, best, confirmed))
    return Recommendation(best.trial, f"{_means(state, objectives, best)}{place}", caveats)


def _means(state: SearchState, objectives: Sequence[ObjectiveConfig], best: Candidate) -> str:
    """The parameters, with the means of the first objective and of the constrained ones."""
    name = wording.params(state.trials[best.trial].proposed.sampled) or f"trial {best.trial}"
    count = wording.plural(len(best.runs), "repetition")
    return f"{name}: {_estimates(objectives, best)} (mean of {count} with new seeds)"


def _estimates(objectives: Sequence[ObjectiveConfig], best: Candidate) -> str:
    """The means of the first objective and of the constrained ones."""
    first, constraints = objectives[0], constraints_of(objectives)
    shown = [first, *(objective for objective in constraints if objective is not first)]
    return ", ".join(f"{objective.metric} {_mean(objective, best)}" for objective in shown)


def _place(objectives: Sequence[ObjectiveConfig], confirmed: Confirmation) -> str:
    """How the best stands among the candidates, where it ties with none."""
    kept = sum(candidate.keeps for candidate in confirmed.candidates)
    clause = f" {_constraint_clause(objectives)}" if constraints_of(objectives) else ""
    if kept == 1:
        return f", the only candidate{clause}"
    place = f", the {objectives[0].best} {objectives[0].metric} of the {kept} candidates{clause}"
    return f"{place}, by more than noise" if confirmed.freedom else place


def _tie(first: ObjectiveConfig, confirmed: Confirmation, best: Candidate) -> str:
    return (
        f"There is a tie: the {first.metric} of {wording.names(sorted(confirmed.tied))} differs by no more "
        f"than noise (the {first.best} mean is {_mean(first, best)} of trial {best.trial})"
    )


def _ruled_out(objectives: Sequence[ObjectiveConfig], confirmed: Confirmation) -> Iterator[str]:
    """One sentence per candidate that its repetitions have ruled out, and per candidate not judged."""
    for candidate in confirmed.candidates:
        number = candidate.trial
        if candidate.broken:
            count = wording.plural(len(candidate.broken), "repetition")
            yield f"Trial {number} is ruled out: {count} of it diverged or did not fit in memory."
        elif not candidate.runs:
            yield f"Trial {number} is not judged: no repetition of it has completed."
        elif not candidate.keeps:
            values = ", ".join(
                f"{objective.metric} {_mean(objective, candidate)}"
                for objective in constraints_of(objectives)
            )
            yield (
                f"Trial {number} is ruled out: its repetitions break {constraint_symbols(objectives)} "
                f"({values})."
            )


def _unsure_of_candidate(
    state: SearchState, objectives: Sequence[ObjectiveConfig], best: Candidate, confirmed: Confirmation
) -> Iterator[str]:
    """What the repetitions leave open about the best candidate."""
    yield from _unsure_of_seeds(objectives, best)
    yield from _unsure_of_sample(state, objectives, best)
    if not confirmed.freedom:
        yield (
            "No candidate has two repetitions, so the noise between seeds is unknown: others may be as good."
        )
    short = [candidate.trial for candidate in confirmed.candidates if candidate.missing and candidate.runs]
    if short:
        yield (
            f"Some of the {confirmed.seeds} repetitions are missing for {wording.names(sorted(short))}; the "
            "means rest on the others."
        )
    if left := _not_repeated(state, objectives, confirmed):
        yield f"Among the best of the search but not repeated: {wording.names(left)}."
    yield (
        "The candidates' own search runs are left out of the means: they were selected for being good, so "
        "they are lucky on average."
    )


def _unsure_of_seeds(objectives: Sequence[ObjectiveConfig], best: Candidate) -> Iterator[str]:
    """One sentence per constraint that the interval over repetitions does not settle."""
    for objective in constraints_of(objectives):
        estimate = best.estimates[objective.metric]
        if estimate.half is None:
            continue
        low, high = estimate.mean - estimate.half, estimate.mean + estimate.half
        if _reaches_past_bound(objective, Interval(low=low, high=high, n=estimate.n)):
            yield (
                f"The 95% interval of the mean of {objective.metric} over repetitions, "
                f"{_mean(objective, best)}, reaches past the {bound_name(objective)} "
                f"{bound_of(objective):g}: n={estimate.n} is too few to be sure that it holds."
            )


def _unsure_of_sample(
    state: SearchState, objectives: Sequence[ObjectiveConfig], best: Candidate
) -> Iterator[str]:
    """One sentence per constraint that the sample of single repetitions does not settle."""
    for objective in constraints_of(objectives):
        rungs = [state.trials[number].last for number in best.runs]
        intervals = [rung.intervals.get(objective.metric) for rung in rungs if rung is not None]
        past = sum(
            interval is not None and _reaches_past_bound(objective, interval) for interval in intervals
        )
        if past:
            metric = metric_of(trainable_of(state), objective.metric)
            sample = "items" if metric is None else metric.sample
            yield (
                f"In {past} of {wording.plural(len(best.runs), 'repetition')} the 95% interval of "
                f"{objective.metric} over its {sample} reaches past the {bound_name(objective)} "
                f"{bound_of(objective):g}."
            )


def _not_repeated(
    state: SearchState, objectives: Sequence[ObjectiveConfig], confirmed: Confirmation
) -> list[int]:
    """Those of the best trials of the search that were to be repeated and were not."""
    assert state.started is not None
    wanted: int = state.started.config["confirm"]["candidates"]
    known = {candidate.trial for candidate in confirmed.candidates}
    best = rank_trials(objectives, completed_trials(state))[:wanted]
    return sorted(trial.number for trial in best if trial.number not in known)


def _no_candidate_kept(state: SearchState, confirmed: Confirmation) -> Recommendation:
    """No candidate is left: why, and what to do."""
    objectives = objectives_of(state)
    out = " ".join(_ruled_out(objectives, confirmed))
    judged = [candidate for candidate in confirmed.candidates if candidate.runs]
    nearest = min(
        judged,
        key=lambda candidate: (_violation(objectives, candidate.means), candidate.trial),
        default=None,
    )
    lower = "" if nearest is None else _with_lower_lr(state.trials[nearest.trial], ", or ")
    advice = f"{extension(state).advice}{lower}."
    if any(not candidate.runs and not candidate.broken for candidate in confirmed.candidates):
        advice = "Resume the search."
    subject = "No candidate holds up" if len(confirmed.candidates) > 1 else "The candidate does not hold up"
    return Recommendation(
        None,
        f"{subject} when trained again with new seeds, although their search runs kept every constraint: "
        f"those were lucky. {out} {advice}",
        nearest=None if nearest is None else nearest.trial,
    )


def _violation(objectives: Sequence[ObjectiveConfig], metrics: Mapping[str, float]) -> float:
    return total_violation(objectives, constraint_violations(objectives, metrics))


def _reaches_past_bound(objective: ObjectiveConfig, interval: Interval) -> bool:
    """Whether the worse end of an interval breaks the objective's constraint."""
    bound = bound_of(objective)
    assert bound is not None
    end = interval.low if bound_name(objective) == "floor" else interval.high
    return objective.cost(end) > objective.cost(bound)


def _constraint_clause(objectives: Sequence[ObjectiveConfig]) -> str:
    """The constraints as a relative clause, for example `whose retention is at least 0.95`."""
    return " and ".join(
        f"whose {objective.metric} is {'at least' if objective.floor is not None else 'at most'} "
        f"{bound_of(objective):g}"
        for objective in constraints_of(objectives)
    )


def _with_lower_lr(trial: TrialState, conjunction: str) -> str:
    """The advice to search below a trial's learning rate, or nothing where it was not searched."""
    lr = trial.proposed.sampled.get("lr")
    return f"{conjunction}begin a new one with lr below {wording.scalar(lr)}" if isinstance(lr, float) else ""


def _mean(objective: ObjectiveConfig, candidate: Candidate) -> str:
    estimate = candidate.estimates[objective.metric]
    return wording.mean(estimate.mean, estimate.half, bound_of(objective))


def _value(objective: ObjectiveConfig, trial: TrialState, with_n: bool = True) -> str:
    assert trial.last is not None
    interval = trial.last.intervals.get(objective.metric)
    text = wording.measured(trial.last.metrics[objective.metric], interval, bound_of(objective))
    return f"{text}, n={interval.n}" if interval is not None and with_n else text
