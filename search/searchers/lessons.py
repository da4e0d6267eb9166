"""Which finished trials a searcher learns from, and what each teaches: values, and how bad it is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search.config.schema import ObjectiveConfig
from search.judging.constraints import constraint_violations, violation_of
from search.judging.foresight import agreement
from search.searchers.base import TrialOutcome

BROKEN = 3.0
_HUGE = 1e50
_MOST_TRAINED = 100
_LEAST_AGREEMENT = 0.79
"""Just below the agreement that is assumed of a rung of which nothing is known yet."""


@dataclass(frozen=True)
class Lesson:
    """What a searcher learns from a finished trial.

    Attributes:
        values: Objective values, comparable between all trials that have them; None where there are none.
        missed: At most 0 where all constraints are kept, lower with more slack; up to 1 where some are
            violated; 1 to 2 where the trial was stopped, lower at later rungs; 3 where it broke.
    """

    values: tuple[float, ...] | None
    missed: float


def lesson_of_values(objectives: Sequence[ObjectiveConfig], values: Sequence[float]) -> Lesson:
    """The lesson of a trial with these values; `Lesson(None, BROKEN)` where any is not finite."""
    violation = violation_of(objectives, values)
    if not (math.isfinite(violation) and all(map(math.isfinite, values))):
        return Lesson(None, BROKEN)
    # Products of larger numbers overflow where a sampler computes hypervolumes.
    clipped = tuple(min(max(float(value), -_HUGE), _HUGE) for value in values)
    missed = violation if violation > 0 else -_slack(objectives, values)
    return Lesson(clipped, missed / (1.0 + abs(missed)) if math.isfinite(missed) else -1.0)


def _slack(objectives: Sequence[ObjectiveConfig], values: Sequence[float]) -> float:
    """By how much the constraint nearest to its bound is kept, relative to the bound; inf without any."""
    slack = math.inf
    for objective, value in zip(objectives, values, strict=True):
        bound = objective.floor if objective.floor is not None else objective.ceiling
        for violation in constraint_violations([objective], {objective.metric: value}):
            slack = min(slack, -violation / (abs(bound or 0.0) or 1.0))
    return slack


def lesson_of_outcome(objectives: Sequence[ObjectiveConfig], outcome: TrialOutcome) -> Lesson:
    """The lesson of a trial by its end alone: a stopped trial is worse than every trial trained to the end.

    From best to worst: full budget, constraints kept; full budget, violated, by the violation; stopped, at a
    later rung first; diverged, infeasible, failed, or with a value that is not finite. Values of a lower
    fidelity are not used.
    """
    if outcome.status == "stopped":
        return Lesson(None, 1.0 + 1.0 / (1.0 + len(outcome.rungs)))
    if outcome.values is None:
        return Lesson(None, BROKEN)
    return lesson_of_values(objectives, outcome.values)


def lessons_at_rung(
    objectives: Sequence[ObjectiveConfig], outcomes: Sequence[TrialOutcome], startup: int
) -> list[Lesson]:
    """The lessons where all trials are compared at one rung: the highest that `startup` of them reached.

    They teach their values there, completed trials too: a model of one fidelity, as in BOHB (Falkner et al.,
    2018, arXiv:1807.01774). The others teach `lesson_of_outcome`: trials stopped below that rung are worse
    than all that reached it, and while no rung has enough trials, no values are used.

    Args:
        objectives: As configured.
        outcomes: Of all finished trials.
        startup: Trials that a rung needs.
    """
    reached = Counter(
        rung
        for outcome in outcomes
        if outcome.status in ("completed", "stopped")
        for rung, values in enumerate(outcome.rungs)
        if all(map(math.isfinite, values))
    )
    enough = [rung for rung, count in reached.items() if count >= startup]
    rung = max(enough) if enough else None
    return [
        lesson_of_outcome(objectives, outcome)
        if rung is None or outcome.status not in ("completed", "stopped") or len(outcome.rungs) <= rung
        else lesson_of_values(objectives, _measured_from(outcome, rung))
        for outcome in outcomes
    ]


def _measured_from(outcome: TrialOutcome, rung: int) -> tuple[float, ...]:
    """The values at the first rung from this one at which the trial was measured; else those at its last."""
    later = outcome.rungs[rung:]
    return next((values for values in later if all(map(math.isfinite, values))), later[-1])


def with_values(lessons: Sequence[Lesson], objectives: Sequence[ObjectiveConfig]) -> list[Lesson]:
    """Gives every lesson values, for samplers that ignore trials without them.

    A trial without values gets the worst of the others in each objective and in its constraints, so that
    the sampler avoids its region instead of forgetting it.
    """
    known = [lesson for lesson in lessons if lesson.values is not None]
    columns = list(zip(*(lesson.values for lesson in known if lesson.values is not None), strict=True))
    worst = (
        tuple(max(column, key=objective.cost) for objective, column in zip(objectives, columns, strict=True))
        if known
        else (0.0,) * len(objectives)
    )
    missed = max((abs(lesson.missed) for lesson in known), default=1.0) or 1.0
    return [lesson if lesson.values is not None else Lesson(worst, missed) for lesson in lessons]


def informative(objectives: Sequence[ObjectiveConfig], outcomes: Sequence[TrialOutcome]) -> list[bool]:
    """Whether a searcher should learn from each trial.

    It ignores trials stopped at a rung that misleads: one where fewer than about 8 of 10 pairs of trained
    trials were in their final order. Such a rung stops good trials, and learning from that would keep the
    searcher away from good regions.

    Args:
        objectives: As configured.
        outcomes: Of all finished trials.

    Returns:
        One for each outcome.
    """
    pairs: dict[int, list[tuple[Sequence[float], Sequence[float]]]] = {}
    completed = [outcome for outcome in outcomes if outcome.values is not None][-_MOST_TRAINED:]
    for outcome in completed:
        if lesson_of_values(objectives, outcome.rungs[-1]).values is None:
            continue
        for rung, values in enumerate(outcome.rungs[:-1]):
            if lesson_of_values(objectives, values).values is not None:
                pairs.setdefault(rung, []).append((values, outcome.rungs[-1]))
    misleading = {
        rung
        for rung, compared in pairs.items()
        if agreement(*np.array(compared).swapaxes(0, 1)) < _LEAST_AGREEMENT
    }
    return [
        outcome.status != "stopped" or not outcome.rungs or len(outcome.rungs) - 1 not in misleading
        for outcome in outcomes
    ]
