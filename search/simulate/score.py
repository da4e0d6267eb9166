"""How good a simulated search's front is, beside that of the recorded search."""

from __future__ import annotations

import moocore
import numpy as np
from numpy.typing import NDArray

from search.config.schema import ObjectiveConfig
from search.judging.objectives import (
    completed_trials,
    cost,
    is_measured,
    keeps_constraints,
    metrics_of,
    values_of,
)
from search.record import SearchState


class Hypervolume:
    """Hypervolume of a front as a share of that of the recorded search.

    Trials that keep every constraint count, or all where the recorded search has none that does. The
    reference point is the recorded front's worst value in each objective and a tenth of the front's extent
    more (Ishibuchi et al., 2018, doi:10.1162/evco_a_00226).

    Args:
        objectives: By which trials are judged.
        recorded: The recorded search.
    """

    def __init__(self, objectives: tuple[ObjectiveConfig, ...], recorded: SearchState) -> None:
        self._objectives = objectives
        self._feasible = any(
            keeps_constraints(objectives, metrics_of(trial)) for trial in completed_trials(recorded)
        )
        points = self._points(recorded)
        self._whole = 0.0
        if len(points):
            front = moocore.filter_dominated(points) if points.shape[1] > 1 else points.min(axis=0)[None]
            extent = front.max(axis=0) - front.min(axis=0)
            spread = points.max(axis=0) - points.min(axis=0)
            # A front of one point has no extent: that of all points, or anything, does as well.
            extent = np.where(extent > 0, extent, np.where(spread > 0, spread, 1.0))
            self._reference = front.max(axis=0) + 0.1 * extent
            self._whole = float(moocore.hypervolume(front, ref=self._reference))

    def share(self, state: SearchState) -> float | None:
        """From 0 to 1; None where the recorded search completed no trial."""
        if self._whole == 0.0:
            return None
        points = self._points(state)
        return float(moocore.hypervolume(points, ref=self._reference)) / self._whole if len(points) else 0.0

    def _points(self, state: SearchState) -> NDArray[np.float64]:
        """All objectives minimised; shape [trials, objectives]."""
        rows = [
            [cost(one, value) for one, value in zip(self._objectives, found, strict=True)]
            for trial in completed_trials(state)
            if is_measured(self._objectives, metrics := metrics_of(trial))
            and (not self._feasible or keeps_constraints(self._objectives, metrics))
            for found in [values_of(self._objectives, metrics)]
        ]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(self._objectives))
