"""The recommendation by the search's own runs, where no candidate was repeated."""

from __future__ import annotations

from collections.abc import Sequence

from search import wording
from search.config.schema import ObjectiveConfig
from search.judging.measurement import constraint_violations, total_violation
from search.judging.objectives import (
    bound_of,
    cost,
    is_broken,
    is_measured,
    keeps_constraints,
    metrics_of,
    values_of,
)
from search.judging.recommendation import (
    Recommendation,
    bound_name,
    bounded,
    conditions,
    constraints,
    superlative,
)
from search.record import TrialState


def by_search_runs(
    objectives: Sequence[ObjectiveConfig], completed: Sequence[TrialState], more: str
) -> Recommendation:
    """The best value of the first objective among trials that keep every constraint.

    Constraints are checked on the measured values; where an interval reaches past one, a caveat says
    so. Ties go to the better value of the objectives that follow, then to the lower number.

    Args:
        objectives: As configured.
        completed: Trials that reached the full budget; at least one.
        more: What to do where none keeps them.
    """
    usable = [trial for trial in completed if is_measured(objectives, metrics_of(trial))]
    kept = ranked(objectives, usable)
    if not kept:
        return _none_kept(objectives, completed, usable, more)
    best = kept[0]
    caveats = (*_straddling(objectives, best), _one_run(objectives[0], kept))
    return Recommendation(best.number, _why(objectives, best, len(kept)), caveats)


def ranked(objectives: Sequence[ObjectiveConfig], completed: Sequence[TrialState]) -> list[TrialState]:
    """Those that keep every constraint by their measured values, best first."""
    kept = [
        trial
        for trial in completed
        if is_measured(objectives, metrics_of(trial))
        and keeps_constraints(objectives, metrics_of(trial))
        and not is_broken(trial)
    ]
    return sorted(kept, key=lambda trial: (_costs(objectives, trial), trial.number))


def _costs(objectives: Sequence[ObjectiveConfig], trial: TrialState) -> tuple[float, ...]:
    values = values_of(objectives, metrics_of(trial))
    return tuple(cost(objective, value) for objective, value in zip(objectives, values, strict=True))


def _value(objective: ObjectiveConfig, trial: TrialState, with_n: bool = True) -> str:
    assert trial.last is not None
    interval = trial.last.intervals.get(objective.metric)
    text = wording.measured(trial.last.metrics[objective.metric], interval, bound_of(objective))
    return f"{text}, n={interval.n}" if interval is not None and with_n else text


def _why(objectives: Sequence[ObjectiveConfig], best: TrialState, kept: int) -> str:
    first = objectives[0]
    name = wording.params(best.proposed.sampled) or f"trial {best.number}"
    place = (
        f"the {superlative(first)} of the {kept} completed trials" if kept > 1 else "the only completed trial"
    )
    sentence = f"{name}: {first.metric} {_value(first, best)}, {place}"
    limited = bounded(objectives)
    if not limited:
        return sentence
    if len(limited) == 1 and limited[0] is not first:
        values = _value(limited[0], best)
    else:
        values = "; ".join(f"{objective.metric} {_value(objective, best)}" for objective in limited)
    return f"{sentence} {conditions(objectives)} ({values})"


def _straddling(objectives: Sequence[ObjectiveConfig], best: TrialState) -> list[str]:
    """One sentence per constraint that the interval does not settle."""
    assert best.last is not None
    found = []
    for objective in objectives:
        bound, interval = bound_of(objective), best.last.intervals.get(objective.metric)
        if bound is None:
            continue
        kind = bound_name(objective)
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


def _none_kept(
    objectives: Sequence[ObjectiveConfig],
    completed: Sequence[TrialState],
    usable: Sequence[TrialState],
    more: str,
) -> Recommendation:
    if not usable:
        names = " and ".join(objective.metric for objective in objectives)
        return Recommendation(
            None,
            f"None of the {len(completed)} completed trials has a finite value of {names}. "
            "Look at the trials' metrics in the record, and begin a new search with the fault corrected.",
        )
    limited = bounded(objectives)

    def miss(trial: TrialState) -> tuple[float, tuple[float, ...], int]:
        violations = constraint_violations(objectives, metrics_of(trial))
        return total_violation(objectives, violations), _costs(objectives, trial), trial.number

    nearest = min(usable, key=miss)
    others = [objectives[0]] if objectives[0] not in limited else []
    values = "; ".join(
        f"{objective.metric} {_value(objective, nearest)}" for objective in [*limited, *others]
    )
    lr = nearest.proposed.sampled.get("lr")
    lower = f", begin a new one with lr below {wording.scalar(lr)}" if isinstance(lr, float) else ""
    floors = all(objective.floor is not None for objective in limited)
    other = "a lower floor" if floors else "other bounds"
    many = len(completed) > 1
    subject = (
        f"None of the {len(completed)} completed trials keeps" if many else "The one completed trial breaks"
    )
    return Recommendation(
        None,
        f"{subject} {constraints(objectives)}. "
        f"Trial {nearest.number} came nearest ({wording.params(nearest.proposed.sampled)}): {values}. "
        f"{more}{lower}, or accept {other}.",
        nearest=nearest.number,
    )
