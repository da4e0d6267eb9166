"""Which configuration to use, why, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from search import wording
from search.config.schema import MOST_SEEDS, ConfirmConfig, ObjectiveConfig
from search.judging.causes import why_none_completed
from search.judging.cheapest import cheapest
from search.judging.confirmation import Candidate, Confirmation, confirmation, over_seeds
from search.judging.described import (
    constraint_clause,
    constraint_symbols,
    free,
    mean_of,
    settings,
    value_of,
)
from search.judging.extending import extension
from search.judging.held import Held, held_by_means, held_by_run, word_over_all
from search.judging.no_result import seeds_to_repeat, without_result
from search.judging.none_kept import (
    nearest_candidate,
    nearest_run,
    ruled_out,
    why_no_candidate,
    why_no_run,
    why_no_setting,
)
from search.judging.objectives import completed_trials, costs_of, objectives_of, rank_trials, repetitions
from search.judging.pooled import ALPHA, noise_of, ties
from search.judging.racing import Race, race
from search.record import SearchState, TrialState
from search.record.explained import metric_of, trainable_of

ONCE = "single-seed setting"
"""What a setting of a space with seeds of its own is that was trained once."""


@dataclass(frozen=True)
class Recommendation:
    """What to use.

    Attributes:
        trial: Number of the recommended trial, or None where no trial can be recommended.
        reason: Why this trial, with its objectives; or why none, and what to do about it.
        caveats: What else is uncertain about it, one sentence each.
        nearest: Without a recommended trial: the one that came nearest to keeping the constraints.
        constraints: Whether the trial, or the nearest, keeps each floor and ceiling, with the numbers.
        settings: Every parameter of the trial, and its steps.
        deciding: A setting of the same search, and its value, with which more repetitions would probably
            decide what is open; None where nothing is, or they would not.
    """

    trial: int | None
    reason: str
    caveats: tuple[str, ...] = ()
    nearest: int | None = None
    constraints: tuple[Held, ...] = ()
    settings: str = ""
    deciding: tuple[str, int] | None = None


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
    choice = _by_settings(state, completed) if candidates is None else _by_repetitions(state, candidates)
    if choice.trial is None:
        return choice
    caveats = [*choice.caveats, *_not_shown(state)]
    if state.unfinished:
        caveats.append(f"The search has {wording.plural(len(state.unfinished), 'unfinished trial')}.")
    return replace(choice, settings=settings(state.trials[choice.trial]), caveats=tuple(caveats))


def _not_shown(state: SearchState) -> Iterator[str]:
    """What the objectives cannot show by their nature."""
    for objective in objectives_of(state):
        metric = metric_of(trainable_of(state), objective.metric)
        if metric is not None and metric.caveat:
            yield metric.caveat


def _by_settings(state: SearchState, completed: Sequence[TrialState]) -> Recommendation:
    """The setting with the best mean over the space's own seeds, by its best trial.

    Where the space has none, single runs decide. Those of settings with one run also do where no mean keeps
    the constraints, or the best of them is better than every mean by more than noise: of the others the means
    say that a better run is lucky.
    """
    objectives, known = objectives_of(state), over_seeds(state)
    compared = [each for each in known if len(each.runs) > 1 or each.broken]
    if not compared:
        return _by_search_runs(state, completed)

    def rank(candidate: Candidate) -> tuple[tuple[float, ...], int]:
        return costs_of(objectives, candidate.means), candidate.trial

    kept = sorted((each for each in compared if each.keeps), key=rank)
    once = sorted((each for each in known if each not in compared and each.keeps), key=rank)
    if not kept:
        return _by_other_settings(state, compared, once)
    first, best = objectives[0], kept[0]
    better = [each for each in once if rank(each) < rank(best)]
    if better and _is_clear(first, better[0], best, len(once)):
        choice = _by_search_runs(state, [state.trials[each.trial] for each in once], ONCE)
        worse = (
            f"The best setting with several seeds, that of trial {best.trial}, is worse by more than noise: "
            f"its mean {first.metric} is {mean_of(first, best)}."
        )
        return replace(choice, caveats=(*choice.caveats, worse))
    place = _best_of(objectives, len(kept), "multi-seed setting" if once else "setting", "mean")
    reason = f"{_estimates(objectives, best)}mean over {wording.plural(len(best.runs), 'seed')}, {place}"
    lucky = (
        f"Trial {best.trial} is the best of the {len(best.runs)} with this setting, so its own values are "
        "lucky on average: expect the means of another seed."
    )
    return Recommendation(
        best.trial,
        reason,
        (lucky, *_better_once(first, better)),
        constraints=held_by_means(state, objectives, compared, best),
        deciding=_beginning(state, race(state)) if better else None,
    )


def _is_clear(first: ObjectiveConfig, once: Candidate, best: Candidate, comparisons: int) -> bool:
    """Whether a setting's only run is better than another's mean by more than noise, which must be known."""
    value, mean = once.estimates[first.metric], best.estimates[first.metric]
    return bool(mean.error) and not ties([value, mean], ALPHA, comparisons)[1]


def _better_once(first: ObjectiveConfig, better: Sequence[Candidate]) -> Iterator[str]:
    """Said of settings whose only run is better than the best mean, by no more than noise."""
    if better:
        trials, several = wording.names(sorted(each.trial for each in better)), len(better) > 1
        value = wording.number(better[0].means[first.metric])
        yield (
            f"The setting{'s' if several else ''} of {trials} may be better, with one seed"
            f"{' each' if several else ''}: {first.metric} is {value} in trial {better[0].trial}, which is "
            "not beyond noise. Repetitions with new seeds would tell."
        )


def _by_other_settings(
    state: SearchState, compared: Sequence[Candidate], once: Sequence[Candidate]
) -> Recommendation:
    """Where no setting with several seeds holds up: one with a single run, or none."""
    objectives = objectives_of(state)
    if once:
        choice = _by_search_runs(state, [state.trials[each.trial] for each in once], ONCE)
        return replace(choice, caveats=(*choice.caveats, "No setting with several seeds holds up over them."))
    nearest = nearest_candidate(objectives, compared)
    assert nearest is not None
    trial, advice = state.trials[nearest.trial], extension(state).advice
    return Recommendation(
        None,
        why_no_setting(objectives, compared, nearest, trial, advice),
        nearest=nearest.trial,
        constraints=held_by_means(state, objectives, compared, nearest),
    )


def _by_search_runs(
    state: SearchState, completed: Sequence[TrialState], which: str = "completed trial"
) -> Recommendation:
    """The best value of the first objective among trials that keep every constraint by their measured values.

    Ties go to the better value of the objectives that follow, then to the lower number.

    Args:
        state: A search that has begun.
        completed: Which count.
        which: What each of them is, in words.
    """
    objectives = objectives_of(state)
    kept = rank_trials(objectives, completed)
    if not kept:
        nearest = nearest_run(objectives, completed)
        reason = why_no_run(objectives, completed, nearest, extension(state).advice)
        if nearest is None:
            return Recommendation(None, reason)
        held = held_by_run(objectives, nearest)
        return Recommendation(None, reason, nearest=nearest.number, constraints=held)
    best, held, raced = kept[0], held_by_run(objectives, kept[0]), race(state)
    return Recommendation(
        best.number,
        _best_run(objectives, best, len(kept), which),
        (
            _only_one_run(objectives[0], kept, bool(repetitions(state)) or which == ONCE),
            *without_result(state, raced),
            *(_not_ended(raced) if raced.begun else ()),
        ),
        constraints=held,
        deciding=_beginning(state, raced) if held else None,
    )


def _beginning(state: SearchState, raced: Race) -> tuple[str, int] | None:
    """What has candidates repeated where none has been: as many as by default, or the failed ones again."""
    if not ConfirmConfig.model_validate(state.confirm).candidates:
        return "confirm.candidates", ConfirmConfig().candidates
    seeds = seeds_to_repeat(raced)
    return ("confirm.seeds", seeds) if raced.begun and raced.over and seeds is not None else None


def _best_run(objectives: Sequence[ObjectiveConfig], best: TrialState, kept: int, which: str) -> str:
    values = ", ".join(f"{objective.metric} {value_of(objective, best)}" for objective in free(objectives))
    return f"{values + ', ' if values else ''}{_best_of(objectives, kept, which, 'measured')}"


def _only_one_run(first: ObjectiveConfig, kept: Sequence[TrialState], others: bool) -> str:
    """That another seed may change the choice; whether other trials have several makes it other words."""
    rests = "No repetition has completed, so this rests on one run with one seed"
    if len(kept) == 1:
        rests = rests if others else "It was trained once, with one seed"
        return f"{rests}; another seed gives other values."
    second = kept[1]
    assert second.last is not None
    value = wording.measured(second.last.metrics[first.metric], second.last.intervals.get(first.metric))
    return (
        f"{rests if others else 'Each trial was trained once, with one seed'}; another seed may change the "
        f"order. The next best is trial {second.number} with {first.metric} {value}."
    )


def _by_repetitions(state: SearchState, confirmed: Confirmation) -> Recommendation:
    """The candidate with the best mean of the first objective, or one that ties with it.

    Candidates whose means break a constraint, or of which a repetition diverged, are out, whatever the
    search's own runs gave.
    """
    objectives = objectives_of(state)
    if not confirmed.tied:
        return _no_candidate(state, objectives, confirmed)
    by_number = {candidate.trial: candidate for candidate in confirmed.candidates}
    tied = [by_number[number] for number in confirmed.tied]
    if len(tied) > 1:
        best, because = _of_tied(state, objectives, tied)
        tie = _tie(objectives[0], tied, best)
        place = f". {tie}; trial {best.trial} is chosen because {because}"
    else:
        best, place = tied[0], f", {_place(objectives, confirmed)}"
    count, raced = wording.plural(len(best.runs), "repetition"), race(state)
    held = held_by_means(state, objectives, confirmed.candidates, best)
    return Recommendation(
        best.trial,
        f"{_estimates(objectives, best)}mean of {count} with new seeds{place}",
        (
            *ruled_out(objectives, confirmed),
            *without_result(state, raced),
            *_unsure(objectives[0], confirmed, raced),
        ),
        constraints=held,
        deciding=_deciding(held, raced, best),
    )


def _of_tied(
    state: SearchState, objectives: Sequence[ObjectiveConfig], tied: Sequence[Candidate]
) -> tuple[Candidate, str]:
    """The cheapest, of those alone that are shown to keep the constraints if there are any; and why it."""
    params = {candidate.trial: state.trials[candidate.trial].params for candidate in tied}
    artifact = trainable_of(state).artifact
    sure = [each for each in tied if word_over_all(objectives, each.estimates) == "kept"]
    if not 0 < len(sure) < len(tied):
        return cheapest(tied, params, artifact)
    symbols = constraint_symbols(objectives)
    if len(sure) == 1:
        return sure[0], f"it alone is shown to keep {symbols}"
    best, because = cheapest(sure, params, artifact)
    return best, f"of those that are shown to keep {symbols}, {because}"


def _no_candidate(
    state: SearchState, objectives: Sequence[ObjectiveConfig], confirmed: Confirmation
) -> Recommendation:
    nearest, raced = nearest_candidate(objectives, confirmed.candidates), race(state)
    number = None if nearest is None else nearest.trial
    more, seeds = extension(state).advice, seeds_to_repeat(raced)
    again = more if seeds is None else f"Repeat with confirm.seeds={seeds}"
    unjudged = any(not candidate.runs and not candidate.broken for candidate in confirmed.candidates)
    held: tuple[Held, ...] = ()
    deciding = ("confirm.seeds", seeds) if unjudged and raced.over and seeds is not None else None
    if nearest is not None:
        held = held_by_means(state, objectives, confirmed.candidates, nearest)
        deciding = deciding if unjudged else _deciding(held, raced, nearest)
    return Recommendation(
        None,
        why_no_candidate(
            objectives,
            confirmed,
            None if number is None else state.trials[number],
            more,
            again if raced.over else "Resume the search",
            None if deciding is None else deciding[1],
        ),
        tuple(without_result(state, raced)),
        nearest=number,
        constraints=held,
        deciding=deciding,
    )


def _estimates(objectives: Sequence[ObjectiveConfig], best: Candidate) -> str:
    """The means of the objectives without constraints, before what they are means of."""
    means = ", ".join(f"{objective.metric} {mean_of(objective, best)}" for objective in free(objectives))
    return f"{means}, " if means else ""


def _best_of(objectives: Sequence[ObjectiveConfig], kept: int, noun: str, of: str) -> str:
    """How the best stands among so many that keep the constraints, by `of` as in `constraint_clause`."""
    first, clause = objectives[0], constraint_clause(objectives, of)
    place = f"the only {noun}"
    if kept > 1:
        place = f"the {first.best} {first.metric} of the {wording.plural(kept, noun)}"
    return f"{place}{' ' + clause if clause else ''}"


def _place(objectives: Sequence[ObjectiveConfig], confirmed: Confirmation) -> str:
    """How the best stands among the candidates, where it ties with none."""
    kept = sum(candidate.keeps for candidate in confirmed.candidates)
    place = _best_of(objectives, kept, "candidate", "mean")
    if kept == 1:
        return place
    noise = noise_of([each.estimates[objectives[0].metric] for each in confirmed.candidates if each.keeps])
    return place if noise is None else f"{place}, by more than {noise}"


def _tie(first: ObjectiveConfig, tied: Sequence[Candidate], chosen: Candidate) -> str:
    """That these tie, the one with the best mean first."""
    means = [each.estimates[first.metric] for each in tied]
    differs = "is the same"
    if len({each.mean for each in means}) > 1:
        differs = f"differs by no more than {noise_of(means) or 'noise'}"
    trials = wording.names(sorted(each.trial for each in tied))
    tie = f"There is a tie: the {first.metric} of {trials} {differs}"
    if chosen is tied[0]:
        return tie
    return f"{tie} (the {first.best} mean is {mean_of(first, tied[0])} of trial {tied[0].trial})"


def _unsure(first: ObjectiveConfig, confirmed: Confirmation, raced: Race) -> Iterator[str]:
    """What the repetitions leave open beside the constraints."""
    error = confirmed.candidates[0].estimates[first.metric].error
    if error is None:
        yield (
            "No candidate has two repetitions, so the noise between seeds is unknown: others may be as good."
        )
    elif len(confirmed.candidates) > 1 and not error:
        yield (
            f"The repetitions of each candidate agree exactly in {first.metric}, so the noise between seeds "
            "is unknown: others may be as good."
        )
    yield from _not_ended(raced, "; the means rest on those that completed")
    if left := sorted(each.trial for each in raced.contenders if not each.begun):
        yield f"Among the best of the search but not repeated: {wording.names(left)}."
    yield (
        "The candidates' own search runs are left out of the means: they were selected for being good, so "
        "they are lucky on average."
    )


def _not_ended(raced: Race, but: str = "") -> Iterator[str]:
    if not raced.over:
        begun = f"{raced.begun} of at most {raced.budget} repetitions have begun"
        yield f"Confirmation has not ended: {begun}{but}."


def _deciding(held: Sequence[Held], raced: Race, best: Candidate) -> tuple[str, int] | None:
    """The `confirm.seeds` that give a candidate, and all that stay in the race, as many as would decide.

    None where it gets no repetition: it is not in the race any more, as where later trials were better.
    """
    if best.trial not in [each.trial for each in raced.open]:
        return None
    open_ones = [each for each in held if each.word == "not shown to be kept"]
    wanted = [each.repetitions for each in open_ones if each.repetitions is not None]
    if not open_ones or len(wanted) < len(open_ones):
        return None
    others = sum(each.begun for each in raced.contenders if each.standing != "open")
    each_open = max(wanted) + len(best.failed)
    seeds = math.ceil((others + each_open * len(raced.open)) / len(raced.contenders))
    if seeds <= raced.seeds and not raced.over:
        return None  # the race as it is comes to them
    seeds = max(seeds, raced.seeds + 1)
    return ("confirm.seeds", seeds) if seeds <= MOST_SEEDS else None
