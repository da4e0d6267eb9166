"""The recommendation by the repetitions of candidates."""

from __future__ import annotations

from collections.abc import Sequence

from search import wording
from search.config.schema import ObjectiveConfig
from search.judging.cheaper import cheapest
from search.judging.confirmation import Candidate, Confirmation
from search.judging.extending import extension
from search.judging.measurement import constraint_violations, total_violation
from search.judging.objectives import bound_of, completed_trials, cost, objectives_of
from search.judging.recommendation import (
    Recommendation,
    bound_name,
    bounded,
    conditions,
    constraints,
    superlative,
)
from search.judging.search_runs import ranked
from search.record import SearchState


def by_repetitions(state: SearchState, confirmed: Confirmation) -> Recommendation:
    """The candidate with the best mean of the first objective, or the cheapest of those that tie with it.

    Candidates whose means break a constraint, or of which a repetition diverged, are out, whatever their
    own search runs gave.
    """
    objectives = objectives_of(state)
    by_number = {one.trial: one for one in confirmed.candidates}
    if not confirmed.tied:
        return _none_kept(state, confirmed)
    best = by_number[confirmed.tied[0]]
    chosen, because = best, ""
    if len(confirmed.tied) > 1:
        params = {number: state.trials[number].params for number in confirmed.tied}
        chosen, because = cheapest([by_number[number] for number in confirmed.tied], params)
    kept = sum(one.keeps for one in confirmed.candidates)
    reason = _subject(state, objectives, chosen)
    if because:
        reason += f". {_tie(objectives[0], confirmed, best)}; trial {chosen.trial} is taken because {because}"
    else:
        reason += _place(objectives, confirmed, kept)
    caveats = (*_out(objectives, confirmed), *_uncertain(state, objectives, chosen, confirmed))
    return Recommendation(chosen.trial, reason, caveats)


def _subject(state: SearchState, objectives: Sequence[ObjectiveConfig], chosen: Candidate) -> str:
    """What is chosen, with the means of the first objective and of the constrained ones."""
    name = wording.params(state.trials[chosen.trial].proposed.sampled) or f"trial {chosen.trial}"
    shown = [objectives[0], *(one for one in bounded(objectives) if one is not objectives[0])]
    values = ", ".join(f"{one.metric} {_mean(one, chosen)}" for one in shown)
    count = wording.plural(len(chosen.runs), "repetition")
    return f"{name}: {values} (mean of {count} with new seeds)"


def _place(objectives: Sequence[ObjectiveConfig], confirmed: Confirmation, kept: int) -> str:
    """How the best stands among the candidates, where it ties with none."""
    clause = f" {conditions(objectives)}" if bounded(objectives) else ""
    if kept == 1:
        return f", the only candidate{clause}"
    place = f", the {superlative(objectives[0])} {objectives[0].metric} of the {kept} candidates{clause}"
    return f"{place}, by more than noise" if confirmed.freedom else place


def _tie(first: ObjectiveConfig, confirmed: Confirmation, best: Candidate) -> str:
    return (
        f"It is a tie: the {first.metric} of {wording.names(sorted(confirmed.tied))} differs by no more than "
        f"noise (the {superlative(first)} mean is {_mean(first, best)} of trial {best.trial})"
    )


def _mean(objective: ObjectiveConfig, candidate: Candidate) -> str:
    own = candidate.estimates[objective.metric]
    return wording.mean(own.mean, own.half, bound_of(objective))


def _out(objectives: Sequence[ObjectiveConfig], confirmed: Confirmation) -> list[str]:
    """One sentence per candidate that its repetitions have ruled out, and per one not judged."""
    found = []
    for one in confirmed.candidates:
        if one.broken:
            found.append(
                f"Trial {one.trial} is out: {wording.plural(len(one.broken), 'repetition')} of it "
                "diverged or did not fit."
            )
        elif not one.runs:
            found.append(f"Trial {one.trial} is not judged: no repetition of it has completed.")
        elif not one.keeps:
            values = ", ".join(f"{own.metric} {_mean(own, one)}" for own in bounded(objectives))
            found.append(
                f"Trial {one.trial} is out: its repetitions break {constraints(objectives)} ({values})."
            )
    return found


def _uncertain(
    state: SearchState, objectives: Sequence[ObjectiveConfig], chosen: Candidate, confirmed: Confirmation
) -> list[str]:
    """What the repetitions leave open about the chosen candidate."""
    found = [*_straddling(objectives, chosen), *_questions(state, objectives, chosen)]
    if not confirmed.freedom:
        found.append(
            "No candidate has two repetitions, so the noise between seeds is unknown: others may be as good."
        )
    short = [one.trial for one in confirmed.candidates if one.missing and one.runs]
    if short:
        found.append(
            f"Of the {confirmed.seeds} repetitions of each candidate some are missing for "
            f"{wording.names(sorted(short))}: judged by those there are."
        )
    if unconfirmed := _unconfirmed(state, objectives, confirmed):
        found.append(f"Among the best of the search but not repeated: {wording.names(unconfirmed)}.")
    found.append(
        "The candidates' own search runs are left out of the means: they were selected for being good, and "
        "so are lucky on average."
    )
    return found


def _straddling(objectives: Sequence[ObjectiveConfig], chosen: Candidate) -> list[str]:
    """One sentence per constraint that the interval over seeds does not settle."""
    found = []
    for objective in bounded(objectives):
        own, bound, kind = chosen.estimates[objective.metric], bound_of(objective), bound_name(objective)
        assert bound is not None
        if own.half is None:
            continue
        worst = own.mean + (own.half if objective.direction == "min" else -own.half)
        if cost(objective, worst) > cost(objective, bound):
            found.append(
                f"The 95% interval of the mean of {objective.metric} over seeds, {_mean(objective, chosen)}, "
                f"reaches past the {kind} {bound:g}: n={own.n} is too few to be sure that it holds."
            )
    return found


def _questions(state: SearchState, objectives: Sequence[ObjectiveConfig], chosen: Candidate) -> list[str]:
    """One sentence per constraint that the questions of single repetitions do not settle."""
    found = []
    for objective in bounded(objectives):
        bound, kind = bound_of(objective), bound_name(objective)
        assert bound is not None
        past = 0
        for number in chosen.runs:
            last = state.trials[number].last
            interval = last.intervals.get(objective.metric) if last else None
            if interval is None:
                continue
            end = interval.low if kind == "floor" else interval.high
            past += cost(objective, end) > cost(objective, bound)
        if past:
            found.append(
                f"In {past} of {wording.plural(len(chosen.runs), 'repetition')} the 95% interval of "
                f"{objective.metric} over its questions reaches past the {kind} {bound:g}."
            )
    return found


def _unconfirmed(
    state: SearchState, objectives: Sequence[ObjectiveConfig], confirmed: Confirmation
) -> list[int]:
    """Those of the best trials of the search that were to be repeated and were not."""
    assert state.started is not None
    wanted: int = state.started.config["confirm"]["candidates"]
    known = {one.trial for one in confirmed.candidates}
    best = ranked(objectives, completed_trials(state))[:wanted]
    return sorted(trial.number for trial in best if trial.number not in known)


def _none_kept(state: SearchState, confirmed: Confirmation) -> Recommendation:
    """No candidate is left: why, and what to do."""
    objectives = objectives_of(state)
    out = " ".join(_out(objectives, confirmed))
    judged = [one for one in confirmed.candidates if one.runs]

    def miss(one: Candidate) -> tuple[float, int]:
        return total_violation(objectives, constraint_violations(objectives, one.means)), one.trial

    nearest = min(judged, key=miss).trial if judged else None
    lr = None if nearest is None else state.trials[nearest].proposed.sampled.get("lr")
    lower = f", or begin a new one with lr below {wording.scalar(lr)}" if isinstance(lr, float) else ""
    advice = f"{extension(state).advice}{lower}."
    if any(not one.runs and not one.broken for one in confirmed.candidates):
        advice = "Resume the search."
    subject = "No candidate holds up" if len(confirmed.candidates) > 1 else "The candidate does not hold up"
    return Recommendation(
        None,
        f"{subject} when trained again with new seeds, though their search runs kept every constraint: those "
        f"were lucky. {out} {advice}",
        nearest=nearest,
    )
