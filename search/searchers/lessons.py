"""What a finished trial teaches a searcher, as values and how bad it is beside them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from search.config.schema import ObjectiveConfig
from search.judging.constraints import constraint_violations, violation_of
from search.searchers.base import TrialOutcome

BROKEN = 3.0
_HUGE = 1e50


@dataclass(frozen=True)
class Lesson:
    """What is told of a finished trial.

    Attributes:
        values: Objective values, comparable between all trials that have them; None where there are none.
        missed: Below or at 0 where all constraints are kept, the lower the more amply; up to 1 where some
            are violated; 1 to 2 where the trial was stopped, less the later; 3 where it broke.
    """

    values: tuple[float, ...] | None
    missed: float


def valued(objectives: Sequence[ObjectiveConfig], values: Sequence[float]) -> Lesson:
    """The lesson of a trial with these values, `Lesson(None, BROKEN)` where one is not finite."""
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


def worse(objectives: Sequence[ObjectiveConfig], outcome: TrialOutcome) -> Lesson:
    """A stopped trial teaches only that it is worse than every trial trained to the end.

    From best to worst: full budget, constraints kept; full budget, violated, by the violation; stopped,
    those stopped at a later rung first; diverged, infeasible, failed, or with a value that is not finite.
    Values of a lower fidelity are not used.
    """
    if outcome.status == "stopped":
        return Lesson(None, 1.0 + 1.0 / (1.0 + len(outcome.rungs)))
    if outcome.values is None:
        return Lesson(None, BROKEN)
    return valued(objectives, outcome.values)


def at_rung(
    objectives: Sequence[ObjectiveConfig], outcomes: Sequence[TrialOutcome], startup: int
) -> list[Lesson]:
    """All trials are compared at one rung: the highest that `startup` of them reached.

    Their values there are told, those of completed trials included: a model of one fidelity, as in BOHB
    (Falkner et al., 2018, arXiv:1807.01774). Trials stopped below that rung are `worse` than all that reached
    it, as they were passed over for them. While no rung has enough trials, all lessons are `worse`.

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
        valued(objectives, outcome.rungs[rung])
        if rung is not None and outcome.status in ("completed", "stopped") and len(outcome.rungs) > rung
        else worse(objectives, outcome)
        for outcome in outcomes
    ]


def with_values(lessons: Sequence[Lesson], objectives: Sequence[ObjectiveConfig]) -> list[Lesson]:
    """Gives every lesson values, for samplers that leave out trials without them.

    A trial without values gets the worst of the others in each objective and in its constraints, so that
    its region is avoided and not forgotten.
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
