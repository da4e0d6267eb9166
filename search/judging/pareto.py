"""Pareto-optimal trials of a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import moocore
import numpy as np
from numpy.typing import NDArray

from search.judging.constraints import keeps_constraints
from search.judging.objectives import (
    completed_trials,
    is_measured,
    metrics_of,
    objectives_of,
    values_of,
)
from search.record import SearchState, TrialState


@dataclass(frozen=True)
class ParetoTrial:
    """A trial that no other trial dominates.

    Attributes:
        number: Number of the trial.
        feasible: Whether its measured values keep every floor and ceiling.
    """

    number: int
    feasible: bool


def nondominated(points: NDArray[np.float64], maximise: Sequence[bool]) -> NDArray[np.bool_]:
    """Which points no other point dominates (as good in every column and better in one).

    Args:
        points: Shape (points, objectives).
        maximise: Shape (objectives,).

    Returns:
        Shape (points,). Equal points are all kept or all dropped; a point with NaN or Inf neither dominates
        nor is kept.
    """
    keep: NDArray[np.bool_] = np.asarray(np.isfinite(points).all(axis=1))
    if keep.any():
        keep[keep] = moocore.is_nondominated(points[keep], maximise=list(maximise), keep_weakly=True)
    return keep


def pareto_front(state: SearchState, among: Sequence[TrialState] | None = None) -> tuple[ParetoTrial, ...]:
    """Pareto-optimal trials among those that completed the full budget.

    Args:
        state: The search.
        among: The trials to compare; None takes all that completed.

    Returns:
        Those that keep every constraint first, then by the first objective, best first, and by number.
    """
    objectives = objectives_of(state)
    trials = completed_trials(state) if among is None else among
    trials = [trial for trial in trials if is_measured(objectives, metrics_of(trial))]
    if not trials:
        return ()
    points = np.array([values_of(objectives, metrics_of(trial)) for trial in trials], dtype=np.float64)
    keep = nondominated(points, [objective.direction == "max" for objective in objectives])
    front = [
        (not keeps_constraints(objectives, metrics_of(trial)), objectives[0].cost(point[0]), trial.number)
        for trial, point, kept in zip(trials, points, keep, strict=True)
        if kept
    ]
    return tuple(ParetoTrial(number, feasible=not broken) for broken, _, number in sorted(front))
