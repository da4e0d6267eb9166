"""Which trial to use, and why, in words that say how sure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from analysis import wording
from analysis.objectives import (
    bound_of,
    completed_trials,
    cost,
    is_measured,
    keeps_constraints,
    metrics_of,
    objectives_of,
    values_of,
)
from search.config.schema import ObjectiveConfig
from search.measurement import constraint_violations, total_violation
from search.record import SearchState, TrialState


@dataclass(frozen=True)
class Recommendation:
    """What to use.

    Attributes:
        trial: Number of the recommended trial, or None where no trial can be recommended.
        reason: Why this one; or why none, and what to do about it.
        caveats: What is uncertain about it, one sentence each.
        nearest: Without a recommended trial: the one that came nearest to keeping the constraints.
    """

    trial: int | None
    reason: str
    caveats: tuple[str, ...] = ()
    nearest: int | None = None


def recommend(state: SearchState) -> Recommendation:
    """The best value of the first objective among completed trials that keep every constraint.

    Constraints are checked on the measured values; where an interval reaches past one, a caveat says
    so. Ties go to the better value of the objectives that follow, then to the lower number.
    """
    objectives = objectives_of(state)
    completed = completed_trials(state)
    if not completed:
        return Recommendation(None, _none_completed(state))
    usable = [trial for trial in completed if is_measured(objectives, metrics_of(trial))]
    kept = [trial for trial in usable if keeps_constraints(objectives, metrics_of(trial))]
    if not kept:
        return _none_kept(objectives, completed, usable)
    ranked = sorted(kept, key=lambda trial: (_costs(objectives, trial), trial.number))
    best = ranked[0]
    caveats = _straddling(objectives, best)
    caveats.append(_one_run(objectives[0], ranked))
    if unfinished := len(state.unfinished):
        caveats.append(f"The search has {wording.plural(unfinished, 'unfinished trial')}.")
    return Recommendation(best.number, _why(objectives, best, len(kept)), tuple(caveats))


def _costs(objectives: Sequence[ObjectiveConfig], trial: TrialState) -> tuple[float, ...]:
    values = values_of(objectives, metrics_of(trial))
    return tuple(cost(objective, value) for objective, value in zip(objectives, values, strict=True))


def _value(objective: ObjectiveConfig, trial: TrialState, with_n: bool = True) -> str:
    assert trial.last is not None
    interval = trial.last.intervals.get(objective.metric)
    text = wording.measured(trial.last.metrics[objective.metric], interval, bound_of(objective))
    return f"{text}, n={interval.n}" if interval is not None and with_n else text


def _constraint(objective: ObjectiveConfig) -> str:
    side = "at least" if objective.floor is not None else "at most"
    return f"{objective.metric} is {side} {bound_of(objective):g}"


def _why(objectives: Sequence[ObjectiveConfig], best: TrialState, kept: int) -> str:
    first = objectives[0]
    superlative = "lowest" if first.direction == "min" else "highest"
    name = wording.params(best.proposed.sampled) or f"trial {best.number}"
    place = f"the {superlative} of the {kept} completed trials" if kept > 1 else "the only completed trial"
    sentence = f"{name}: {first.metric} {_value(first, best)}, {place}"
    bounded = [objective for objective in objectives if bound_of(objective) is not None]
    if not bounded:
        return sentence
    if len(bounded) == 1 and bounded[0] is not first:
        values = _value(bounded[0], best)
    else:
        values = "; ".join(f"{objective.metric} {_value(objective, best)}" for objective in bounded)
    return f"{sentence} whose {' and whose '.join(map(_constraint, bounded))} ({values})"


def _straddling(objectives: Sequence[ObjectiveConfig], best: TrialState) -> list[str]:
    """One sentence per constraint that the interval does not settle."""
    assert best.last is not None
    found = []
    for objective in objectives:
        bound, interval = bound_of(objective), best.last.intervals.get(objective.metric)
        if bound is None:
            continue
        kind = "floor" if objective.floor is not None else "ceiling"
        if interval is None:
            found.append(
                f"{objective.metric} has no interval, so how surely it keeps the {kind} is not known."
            )
            continue
        end = interval.low if kind == "floor" else interval.high
        if cost(objective, end) > cost(objective, bound):
            found.append(
                f"The 95% interval of {objective.metric}, {wording.bracket(interval)}, reaches past the "
                f"{kind} {bound:g}: n={interval.n} is too few to be sure that it holds."
            )
    return found


def _one_run(first: ObjectiveConfig, ranked: Sequence[TrialState]) -> str:
    if len(ranked) == 1:
        return "It was trained once, with one seed: another seed gives other values."
    second = ranked[1]
    return (
        f"Each trial was trained once, with one seed: another may change the order. The next best is "
        f"trial {second.number} with {first.metric} {_value(first, second, with_n=False)}."
    )


def _none_completed(state: SearchState) -> str:
    counts = Counter(trial.status if trial.finished else "unfinished" for trial in state.trials.values())
    if not counts:
        return "No trial has begun yet: run the search."
    what = (
        "No trial has reached the full budget yet" if state.unfinished else "No trial reached the full budget"
    )
    if state.unfinished:
        advice = "Resume the search."
    elif counts["diverged"] and any("lr" in trial.proposed.sampled for trial in state.trials.values()):
        advice = (
            "Begin a new search with a lower upper bound of lr, or extend this one with a larger trials=."
        )
    else:
        advice = "Extend the search with a larger trials=."
    return f"{what} ({wording.counted(dict(sorted(counts.items())))}). {advice}"


def _none_kept(
    objectives: Sequence[ObjectiveConfig], completed: Sequence[TrialState], usable: Sequence[TrialState]
) -> Recommendation:
    if not usable:
        names = " and ".join(objective.metric for objective in objectives)
        return Recommendation(
            None,
            f"None of the {len(completed)} completed trials has a finite value of {names}. "
            "Look at the trials' metrics in the record, and begin a new search with the fault corrected.",
        )
    bounded = [objective for objective in objectives if bound_of(objective) is not None]

    def miss(trial: TrialState) -> tuple[float, tuple[float, ...], int]:
        violations = constraint_violations(objectives, metrics_of(trial))
        return total_violation(objectives, violations), _costs(objectives, trial), trial.number

    nearest = min(usable, key=miss)
    others = [objectives[0]] if objectives[0] not in bounded else []
    values = "; ".join(
        f"{objective.metric} {_value(objective, nearest)}" for objective in [*bounded, *others]
    )
    lr = nearest.proposed.sampled.get("lr")
    lower = f", begin a new one with lr below {wording.scalar(lr)}" if isinstance(lr, float) else ""
    kept = " and ".join(f"{objective.metric} {wording.constraint(objective)}" for objective in bounded)
    floors = all(objective.floor is not None for objective in bounded)
    other = "a lower floor" if floors else "other bounds"
    many = len(completed) > 1
    subject = (
        f"None of the {len(completed)} completed trials keeps" if many else "The one completed trial breaks"
    )
    return Recommendation(
        None,
        f"{subject} {kept}. "
        f"Trial {nearest.number} came nearest ({wording.params(nearest.proposed.sampled)}): {values}. "
        f"Extend the search with a larger trials={lower}, or accept {other}.",
        nearest=nearest.number,
    )
