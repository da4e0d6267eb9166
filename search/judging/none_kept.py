"""Why no trial can be recommended, which came nearest, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from search import wording
from search.config.schema import ObjectiveConfig
from search.judging.confirmation import SEED, Candidate, Confirmation
from search.judging.constraints import (
    constraint_violations,
    constraints_of,
    keeps_constraints,
    total_violation,
)
from search.judging.described import constraint_symbols, free, mean_of, value_of
from search.judging.held import word_over_all
from search.judging.objectives import costs_of, is_measured, metrics_of
from search.record import TrialState

BROKE = "diverged, did not fit in memory or tripped a guard"


def nearest_run(objectives: Sequence[ObjectiveConfig], completed: Sequence[TrialState]) -> TrialState | None:
    """The trial that came nearest to keeping the constraints; None where none was measured."""

    def distance(trial: TrialState) -> tuple[float, tuple[float, ...], int]:
        metrics = metrics_of(trial)
        return _violation(objectives, metrics), costs_of(objectives, metrics), trial.number

    measured = [trial for trial in completed if is_measured(objectives, metrics_of(trial))]
    return min(measured, key=distance, default=None)


def why_no_run(
    objectives: Sequence[ObjectiveConfig],
    completed: Sequence[TrialState],
    nearest: TrialState | None,
    advice: str,
) -> str:
    """Where nothing was repeated: no run keeps the constraints."""
    if nearest is None:
        names = " and ".join(objective.metric for objective in objectives)
        return (
            f"None of the {len(completed)} completed trials has a finite value of {names}. "
            "Look at the trials' metrics in the record, and begin a new search with the fault corrected."
        )
    constraints = constraints_of(objectives)
    values = "; ".join(
        f"{objective.metric} {value_of(objective, nearest)}"
        for objective in [*constraints, *free(objectives)]
    )
    many = len(completed) > 1
    subject = (
        f"None of the {len(completed)} completed trials keeps" if many else "The one completed trial breaks"
    )
    return (
        f"{subject} {constraint_symbols(objectives)}. "
        f"Trial {nearest.number} came nearest ({wording.params(nearest.proposed.sampled)}): {values}. "
        f"{advice}{_with_lower_lr(nearest, ', ')}, or accept {_other_bounds(constraints)}."
    )


def nearest_candidate(
    objectives: Sequence[ObjectiveConfig], candidates: Sequence[Candidate]
) -> Candidate | None:
    """The candidate whose means came nearest, of those without a broken run if any; None without means."""

    def distance(candidate: Candidate) -> tuple[bool, float, tuple[float, ...], int]:
        means = candidate.means
        violation = _violation(objectives, means)
        return bool(candidate.broken), violation, costs_of(objectives, means), candidate.trial

    return min((each for each in candidates if each.runs), key=distance, default=None)


def why_no_setting(
    objectives: Sequence[ObjectiveConfig],
    compared: Sequence[Candidate],
    nearest: Candidate,
    trial: TrialState,
    advice: str,
) -> str:
    """Where the space has seeds of its own: no setting holds up over them.

    Args:
        objectives: As configured.
        compared: The settings.
        nearest: The one that came nearest.
        trial: Its best trial.
        advice: As of `Extension`.
    """
    constraints = constraints_of(objectives)
    broken = sum(bool(candidate.broken) for candidate in compared)
    why = [f"{broken} had a run that {BROKE}"] if broken else []
    if miss := len(compared) - broken:
        verb, their = ("breaks", "its") if miss == 1 else ("break", "their")
        why.insert(0, f"{miss} {verb} {constraint_symbols(objectives)} by {their} means")
    values = "; ".join(
        f"{objective.metric} {mean_of(objective, nearest)}" for objective in [*constraints, *free(objectives)]
    )
    sampled = {name: value for name, value in trial.proposed.sampled.items() if name != SEED}
    bounds = f", or accept {_other_bounds(constraints)}" if constraints else ""
    return (
        f"No setting holds up over its seeds: {', '.join(why)}. "
        f"That of trial {nearest.trial} came nearest ({wording.params(sampled)}): {values}. "
        f"{advice}{_with_lower_lr(trial, ', ')}{bounds}."
    )


def why_no_candidate(
    objectives: Sequence[ObjectiveConfig],
    confirmed: Confirmation,
    nearest: TrialState | None,
    advice: str,
    unjudged: str,
    seeds: int | None = None,
) -> str:
    """Where candidates were repeated: none of them can be recommended.

    Args:
        objectives: As configured.
        confirmed: The candidates.
        nearest: As of `nearest_candidate`.
        advice: What to do where each was judged, without the full stop.
        unjudged: What to do where some were not, likewise.
        seeds: The `confirm.seeds` that would probably decide on the nearest, where it is open.
    """
    out = " ".join(ruled_out(objectives, confirmed))
    lower = "" if nearest is None else _with_lower_lr(nearest, ", or ")
    what = f"{advice}{lower}."
    if any(not candidate.runs and not candidate.broken for candidate in confirmed.candidates):
        what = f"{unjudged}."
    elif seeds is not None and nearest is not None:
        what = f"confirm.seeds={seeds} would probably decide on trial {nearest.number}. {what}"
    several, decided = (
        len(confirmed.candidates) > 1,
        all(_is_out(objectives, c) for c in confirmed.candidates),
    )
    who = "No candidate" if several else "The candidate"
    if decided:
        text = f"{who} {'holds' if several else 'does not hold'} up when trained again with new seeds"
    else:
        text = f"{who} {'can' if several else 'cannot'} be recommended by repetitions with new seeds"
    if constraints_of(objectives) and any(each.runs for each in confirmed.candidates):
        text += f", although {'their search runs' if several else 'its search run'} kept every constraint"
        if decided:
            text += f": {'those were' if several else 'that was'} lucky"
    return f"{text}. {out} {what}"


def ruled_out(objectives: Sequence[ObjectiveConfig], confirmed: Confirmation) -> Iterator[str]:
    """One sentence per candidate whose repetitions speak against it, and per candidate not judged."""
    for candidate in confirmed.candidates:
        number = candidate.trial
        if candidate.broken:
            count = wording.plural(len(candidate.broken), "repetition")
            yield f"Trial {number} is ruled out: {count} of it {BROKE}."
        elif not candidate.runs:
            yield f"Trial {number} is not judged: no repetition of it has completed."
        elif not candidate.keeps:
            missed = [
                each for each in constraints_of(objectives) if not keeps_constraints([each], candidate.means)
            ]
            symbols = constraint_symbols(missed)
            values = ", ".join(f"{each.metric} {mean_of(each, candidate)}" for each in missed)
            if _is_out(objectives, candidate):
                yield f"Trial {number} is ruled out: its repetitions break {symbols} ({values})."
            else:
                yield (
                    f"Trial {number} is not recommended: its mean misses {symbols}, and this is not shown to "
                    f"be more than noise ({values})."
                )


def _is_out(objectives: Sequence[ObjectiveConfig], candidate: Candidate) -> bool:
    """Whether its repetitions show that it does not hold up: one broke, or a bound is broken beyond noise."""
    return bool(candidate.broken) or word_over_all(objectives, candidate.estimates) == "broken"


def _other_bounds(constraints: Sequence[ObjectiveConfig]) -> str:
    floors = all(objective.floor is not None for objective in constraints)
    return "a lower floor" if floors else "other bounds"


def _violation(objectives: Sequence[ObjectiveConfig], metrics: Mapping[str, float]) -> float:
    return total_violation(objectives, constraint_violations(objectives, metrics))


def _with_lower_lr(trial: TrialState, conjunction: str) -> str:
    """The advice to search below a trial's learning rate, or nothing where it was not searched."""
    lr = trial.proposed.sampled.get("lr")
    return f"{conjunction}begin a new one with lr below {wording.scalar(lr)}" if isinstance(lr, float) else ""
