"""ASHA's stopping rule, with constraints ranked before the loss."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from typing import TypeAlias

from search.config.schema import SearchConfig
from search.judging.constraints import constraint_violations, total_violation
from search.schedulers.base import NeverPauses, Verdict, register
from search.schedulers.findings import bound_text, bounds_text, measured_text, violations_text
from trainables.interval import Interval

_Rank: TypeAlias = tuple[float, float]
_LAST: _Rank = (math.inf, math.inf)


@register("asha", "successive halving at rungs: trials that keep the constraints first, then by loss")
class Asha(NeverPauses):
    """Asynchronous successive halving, stopping variant (Li et al., 2020, arXiv:1810.05934).

    At a rung, the n trials recorded there, the reporting one included, are ordered by how much they
    violate the constraints (`total_violation`; 0 for all that keep them) and then by the first
    objective. A trial is held to violate a constraint only where its whole 95% interval does. A trial
    continues if fewer than floor(n / eta) of them rank strictly above it; while n < eta every trial does.
    It follows that the best is never stopped, that trials which tie share their fate, and that one that
    is worse than all others is stopped as soon as n >= eta. Nothing is stopped at the last rung.
    Trials without a finite value of the first objective or of a constrained metric rank last.
    """

    def __init__(self, config: SearchConfig) -> None:
        self._objectives = config.objectives
        self._eta = config.budget.eta
        self._budget = config.budget
        self._recorded: list[dict[int, _Rank]] = [{} for _ in range(config.budget.rungs)]
        self._orders: list[list[_Rank]] = [[] for _ in self._recorded]

    def report(
        self, trial: int, rung: int, metrics: Mapping[str, float], intervals: Mapping[str, Interval]
    ) -> Verdict:
        """Records the trial at the rung and ranks it there."""
        recorded, order = self._recorded[rung], self._orders[rung]
        if trial in recorded:
            del order[bisect_left(order, recorded[trial])]
        recorded[trial] = rank = self._rank(metrics, intervals)
        better = bisect_left(order, rank)
        order.insert(better, rank)
        where = f"rung {rung + 1}/{len(self._orders)} ({self._budget.place(rung)})"
        place = f"rank {better + 1} of {len(recorded)} at {where}"
        findings = "; ".join(
            [
                *measured_text(self._objectives[:1], metrics),
                *violations_text(self._objectives, metrics, intervals),
            ]
        )
        kept = len(recorded) // self._eta
        if rung == len(self._orders) - 1:
            return Verdict("continue", f"{place}, the full budget; {findings}")
        if kept == 0:
            return Verdict("continue", f"{place}: too few trials to rank, continues; {findings}")
        top = "the best continues" if kept == 1 else f"top {kept} continue"
        return Verdict("continue" if better < kept else "stop", f"{place}, {top}; {findings}")

    def describe(self) -> list[str]:
        """Rungs, order, rule, and the objectives that play no part."""
        first, *others = self._objectives
        bounds = bounds_text(self._objectives)
        order = f"by {first.metric}, {first.best} first"
        if bounds:
            order = (
                f"those that may keep {bounds} (by the favourable bound of the 95% interval) first, the "
                f"others by how far they violate it; equal ones {order}"
            )
        lines = [
            f"asha, stopping variant (arXiv:1810.05934), eta {self._eta}: rungs at {self._budget.places}.",
            f"At a rung, trials are ranked: {order}.",
            f"A trial continues if it is among the best n // {self._eta} of the n trials recorded at its "
            f"rung. The first {self._eta - 1} always continue, and so does every trial at the last rung.",
        ]
        unused = [objective.metric for objective in others if not bound_text(objective)]
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
        return violation, first.cost(value)
