"""ASHA's stopping rule, with constraints ranked before the loss."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias

from search.config.schema import ObjectiveConfig, SearchConfig
from search.measurement import constraint_violations, total_violation
from search.record.events import Interval
from search.schedulers.base import SCHEDULERS, Verdict

_Rank: TypeAlias = tuple[float, float]
_LAST: _Rank = (math.inf, math.inf)


@SCHEDULERS.register(
    "asha", "successive halving at rungs: trials that keep the constraints first, then by loss"
)
class Asha:
    """Asynchronous successive halving, stopping variant (Li et al., 2020, arXiv:1810.05934).

    At a rung, the n trials recorded there, the reporting one included, are ordered by how much they
    violate the constraints (`total_violation`; 0 for all that keep them) and then by the first
    objective. A trial is held to violate a constraint only where its whole 95% interval does. A trial
    goes on if fewer than floor(n / eta) of them rank strictly above it; while n < eta every trial does.
    It follows that the best is never stopped, that trials which tie share their fate, and that one that
    is worse than all others is stopped as soon as n >= eta. Nothing is stopped at the last rung.
    Trials without a finite value of the first objective or of a constrained metric rank last.
    """

    def __init__(self, config: SearchConfig) -> None:
        self._objectives = config.objectives
        self._eta = config.budget.eta
        self._steps = config.budget.rung_steps
        self._recorded: list[dict[int, _Rank]] = [{} for _ in self._steps]

    def report(
        self, trial: int, rung: int, metrics: Mapping[str, float], intervals: Mapping[str, Interval]
    ) -> Verdict:
        """Records the trial at the rung and ranks it there."""
        recorded = self._recorded[rung]
        recorded[trial] = own = self._rank(metrics, intervals)
        better = sum(rank < own for rank in recorded.values())
        where = f"rung {rung + 1}/{len(self._steps)} (step {self._steps[rung]})"
        place = f"rank {better + 1} of {len(recorded)} at {where}"
        findings = "; ".join([self._measured(metrics), *self._violated(metrics, intervals)])
        kept = len(recorded) // self._eta
        if rung == len(self._steps) - 1:
            return Verdict("continue", f"{place}, the full budget; {findings}")
        if kept == 0:
            return Verdict("continue", f"{place}, the first {self._eta - 1} go on in any case; {findings}")
        top = "the best goes on" if kept == 1 else f"top {kept} go on"
        return Verdict("continue" if better < kept else "stop", f"{place}, {top}; {findings}")

    def describe(self) -> list[str]:
        """Rungs, order, rule, and the objectives that play no part."""
        first, *others = self._objectives
        better = "lowest" if first.direction == "min" else "highest"
        bounds = [_bound(objective) for objective in self._objectives if _bound(objective)]
        order = f"by {first.metric}, {better} first"
        if bounds:
            order = (
                f"those that may keep {' and '.join(bounds)} (by the favourable bound of the 95% interval) "
                f"first, the others by how far they miss it; among equals {order}"
            )
        lines = [
            f"asha, stopping variant (arXiv:1810.05934), eta {self._eta}: "
            f"rungs at steps {', '.join(map(str, self._steps))}.",
            f"At a rung, trials are ordered: {order}.",
            f"A trial goes on if it is among the best n // {self._eta} of the n trials recorded at its rung; "
            f"the first {self._eta - 1} go on in any case, and so does every trial at the last rung.",
        ]
        unused = [objective.metric for objective in others if not _bound(objective)]
        if unused:
            lines.append(f"Not used for stopping: {', '.join(unused)}.")
        return lines

    def _rank(self, metrics: Mapping[str, float], intervals: Mapping[str, Interval]) -> _Rank:
        first = self._objectives[0]
        value = metrics.get(first.metric, math.nan)
        violation = total_violation(
            self._objectives, constraint_violations(self._objectives, metrics, intervals)
        )
        if not (math.isfinite(value) and math.isfinite(violation)):
            return _LAST
        return violation, value if first.direction == "min" else -value

    def _measured(self, metrics: Mapping[str, float]) -> str:
        metric = self._objectives[0].metric
        return f"{metric} {metrics[metric]:.4g}" if metric in metrics else f"{metric} was not measured"

    def _violated(self, metrics: Mapping[str, float], intervals: Mapping[str, Interval]) -> list[str]:
        """One finding per constraint that is surely violated."""
        findings = []
        for objective in self._objectives:
            if not _bound(objective):
                continue
            (violation,) = constraint_violations([objective], metrics, intervals)
            if violation > 0:
                findings.append(_violation(objective, metrics, intervals))
        return findings


def _bound(objective: ObjectiveConfig) -> str:
    """The objective's constraint in words, or nothing."""
    if objective.floor is not None:
        return f"{objective.metric} >= {objective.floor:g}"
    if objective.ceiling is not None:
        return f"{objective.metric} <= {objective.ceiling:g}"
    return ""


def _violation(
    objective: ObjectiveConfig, metrics: Mapping[str, float], intervals: Mapping[str, Interval]
) -> str:
    if objective.metric not in metrics:
        return f"{objective.metric} was not measured"
    text = f"{objective.metric} {metrics[objective.metric]:.3g}"
    if objective.metric in intervals:
        interval = intervals[objective.metric]
        text += f" [{interval.low:.3g}, {interval.high:.3g}]"
    if objective.floor is not None:
        return f"{text} is below the floor {objective.floor:g}"
    return f"{text} is above the ceiling {objective.ceiling:g}"
