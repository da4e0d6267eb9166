"""Successive halving by constraints first, then by all objectives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from search.config.choices import Choice
from search.config.schema import ObjectiveConfig, SearchConfig
from search.judging.constraints import constraint_violations, total_violation
from search.judging.foresight import Foresight
from search.record.events import Decision
from search.schedulers.base import Promotion, Verdict, register
from search.schedulers.dominance import SPREADS, place, places
from search.schedulers.findings import bound_text, bounds_text, measured_text, violations_text
from search.seeds import derived_share
from trainables.interval import Interval

_WINDOW = 1000
"""Trials of a rung that are compared, the newest: as many say where the best n / eta begin to within a few
percent, and the time of a decision does not grow with the search."""


class _Rung:
    """What was measured at one rung of one bracket, in the order of the reports."""

    def __init__(self) -> None:
        self.recorded: dict[int, tuple[float, tuple[float, ...]]] = {}
        self.paused: set[int] = set()
        self.weights: dict[int, float] = {}
        self.foresight = Foresight()
        # The newest trials, each in a row of the arrays; `_rows` is in the order of the reports.
        self._rows: dict[int, int] = {}
        self._violations = np.empty(_WINDOW)
        self._costs = np.empty((_WINDOW, 1))
        self._above: dict[int, int] | None = None

    def __len__(self) -> int:
        """Number of trials that are compared."""
        return len(self._rows)

    def record(self, trial: int, violation: float, costs: tuple[float, ...]) -> None:
        if not self._rows:
            self._costs = np.empty((_WINDOW, len(costs)))
        row = self._rows.pop(trial, None)
        if row is None:
            full = len(self._rows) == _WINDOW
            row = self._rows.pop(next(iter(self._rows))) if full else len(self._rows)
        self._rows[trial] = row
        self._violations[row], self._costs[row] = violation, costs
        self.recorded[trial] = (violation, costs)
        self._above = None

    def place(self, trial: int, spread: str) -> int:
        """Of the newest trials, how many rank strictly above this one, which is among them."""
        n = len(self._rows)
        return place(self._rows[trial], self._violations[:n], self._costs[:n], SPREADS[spread])

    def above(self, spread: str) -> dict[int, int]:
        """Of the newest trials, how many of them rank strictly above each."""
        if self._above is None:
            n = len(self._rows)
            order = places(self._violations[:n], self._costs[:n], SPREADS[spread])
            self._above = {trial: int(order[row]) for trial, row in self._rows.items()}
        return self._above


class MoashaOptions(Choice):
    """Options of `moasha`.

    Attributes:
        share: How many continue at a rung: "fixed", the best 1/eta; or "learned", from 1/eta where rungs have
            proved to predict the order at the full budget to nearly all where they have not.
        variant: "stopping": a trial continues at once or is stopped; "promotion": it is paused, and continues
            from its rung's adapter once it is among the best of its rung.
        brackets: Number of brackets; trials of bracket b are first ranked at rung b, and only with others
            of their bracket.
        spread: Order within a front: "crowding" distance (NSGA-II), or "hypervolume" contribution.
    """

    share: Literal["fixed", "learned"] = "learned"
    variant: Literal["stopping", "promotion"] = "stopping"
    brackets: Annotated[int, Field(ge=1, le=10)] = 1
    spread: Literal["crowding", "hypervolume"] = "crowding"


@register(
    "moasha",
    "successive halving by all objectives: constraints, then fronts, then spread; the default",
    options=MoashaOptions,
)
class Moasha:
    """Asynchronous successive halving for several objectives (Schmucker et al., 2021, arXiv:2106.12639).

    At a rung, the n trials recorded there, the reporting one included, are ordered by how much they
    violate the constraints (`total_violation`; held to be violated only where the whole 95% interval
    violates them), then by non-dominated sorting of the objectives, then within a front by spread. The
    best floor(n / eta) continue, and so does every trial of the first front: with several objectives there is
    no best one among them, and to thin them out at a rung is to thin out the result. It follows that a
    trial that no other dominates is never stopped among those that keep the constraints, that one that all
    others dominate is stopped as soon as n >= eta, and that equal trials share their fate. With one
    objective it is ASHA (Li et al., 2020, arXiv:1810.05934). Trials without a finite value of an
    objective or a constraint rank last. Nothing is stopped at the last rung.

    With `variant: promotion`, trials are paused and not stopped, and continue once they are among the best
    floor(n / eta) of their rung.

    With several brackets, a trial is assigned to one by the search's seed and its number, bracket b with
    a probability in proportion to eta^-b; trials of bracket b pass rungs below b unranked.

    Args:
        config: The search.
        options: None takes those of the configuration.
        ranked: The objectives that trials are ranked by, after the constraints of all; None takes all.
    """

    def __init__(
        self,
        config: SearchConfig,
        options: MoashaOptions | None = None,
        ranked: Sequence[ObjectiveConfig] | None = None,
    ) -> None:
        chosen = options or config.scheduler
        assert isinstance(chosen, MoashaOptions)
        self._objectives = config.objectives
        self._ranked = config.objectives if ranked is None else ranked
        self._options = chosen
        self._eta = config.budget.eta
        self._seed = config.seed
        self._budget = config.budget
        self._count = config.budget.rungs
        self._brackets = min(chosen.brackets, self._count)
        self._rungs = [[_Rung() for _ in range(self._count)] for _ in range(self._brackets)]

    def report(
        self, trial: int, rung: int, metrics: Mapping[str, float], intervals: Mapping[str, Interval]
    ) -> Verdict:
        """Records the trial at the rung and ranks it there."""
        bracket = self._bracket(trial)
        text = "; ".join(
            [
                *measured_text(self._ranked, metrics),
                *violations_text(self._objectives, metrics, intervals),
            ]
        )
        where = f"rung {rung + 1}/{self._count} ({self._budget.place(rung)})"
        if self._brackets > 1:
            where += f" of bracket {bracket + 1}"
        if rung < bracket:
            return Verdict("continue", f"{where}: not ranked before rung {bracket + 1}; {text}")
        table = self._rungs[bracket][rung]
        table.record(trial, *self._measure(metrics, intervals))
        above, n = table.place(trial, self._options.spread), len(table)
        rank = f"rank {above + 1} of {n} at {where}"
        if rung == self._count - 1:
            self._learn(trial, bracket)
            return Verdict("continue", f"{rank}, the full budget; {text}")
        kept = self._kept(table, n)
        top = "the best continues" if kept == 1 else f"top {kept} continue"
        if above < kept:
            return Verdict("continue", f"{rank}, {top}; {text}")
        if self._options.variant == "promotion":
            table.paused.add(trial)
            return Verdict("pause", f"{rank}, {top if kept else 'none continues yet'}; {text}")
        if n < self._eta:
            return Verdict("continue", f"{rank}: too few trials to rank, continues; {text}")
        if self._is_audited(trial) and above < n - 1:
            table.weights[trial] = 1 / AUDITED
            return Verdict("continue", f"{rank}, {top}, and one in {1 / AUDITED:.0f} of the others; {text}")
        return Verdict("stop", f"{rank}, {top}; {text}")

    def recall(
        self,
        trial: int,
        rung: int,
        metrics: Mapping[str, float],
        intervals: Mapping[str, Interval],
        decision: Decision,
    ) -> None:
        """Records the trial, and ranks it only where the decision leaves open why it continues."""
        bracket, last = self._bracket(trial), rung == self._count - 1
        if decision == "continue" and not last and self._is_audited(trial):
            self.report(trial, rung, metrics, intervals)
            return
        if rung < bracket:
            return
        table = self._rungs[bracket][rung]
        table.record(trial, *self._measure(metrics, intervals))
        if last:
            self._learn(trial, bracket)
        elif decision == "pause":
            table.paused.add(trial)

    def _kept(self, table: _Rung, n: int) -> int:
        return n // self._eta if self._options.share == "fixed" else table.foresight.kept(n, self._eta)

    def _is_audited(self, trial: int) -> bool:
        return self._options.share == "learned" and is_audited(self._seed, trial)

    def _learn(self, trial: int, bracket: int) -> None:
        """Compares what the trial measured at the rungs before with what it measures at the last."""
        tables = self._rungs[bracket]
        violation, end = tables[-1].recorded[trial]
        weight = max((table.weights.get(trial, 1.0) for table in tables[:-1]), default=1.0)
        for table in tables[:-1]:
            if trial in table.recorded and math.isfinite(violation):
                before, at_rung = table.recorded[trial]
                if math.isfinite(before):
                    table.foresight.add(trial, at_rung, end, weight)

    def promote(self) -> Promotion | None:
        """The best paused trial that has come among the best of its rung; of the highest such rung."""
        for rung in reversed(range(self._count - 1)):
            for bracket in self._rungs:
                table = bracket[rung]
                if not table.paused:
                    continue
                above = table.above(self._options.spread)
                kept = self._kept(table, len(above))
                known = table.paused & above.keys()
                waiting = [(above[trial], trial) for trial in known if above[trial] < kept]
                if waiting:
                    first, trial = min(waiting)
                    where = f"rung {rung + 1}/{self._count} ({self._budget.place(rung)})"
                    return Promotion(
                        trial,
                        rung,
                        f"promoted: now rank {first + 1} of {len(above)} at {where}, top {kept} continue",
                    )
        return None

    def promoted(self, trial: int, rung: int) -> None:
        """The trial does not wait at the rung any more."""
        self._rungs[self._bracket(trial)][rung].paused.discard(trial)

    def describe(self) -> list[str]:
        """Rungs, order and rule."""
        bounds = bounds_text(self._objectives)
        names = " and ".join(f"{objective.metric} ({objective.best} first)" for objective in self._ranked)
        order = f"by {names}"
        if len(self._ranked) > 1:
            spread = self._options.spread
            order = f"by non-dominated fronts of {names}, within a front by {spread}, most spread first"
        if bounds:
            order = (
                f"those that may keep {bounds} (by the favourable bound of the 95% interval) first, the "
                f"others by how far they violate it; equal ones {order}"
            )
        name, variant = self._options.name, self._options.variant
        lines = [
            f"{name}, {variant} variant, eta {self._eta}: rungs at {self._budget.places}.",
            f"At a rung, trials are ranked: {order}.",
            self._rule(),
        ]
        if self._brackets > 1:
            lines.append(
                f"{self._brackets} brackets: trials of bracket b are first ranked at rung b, within "
                "their bracket."
            )
        others = [each for each in self._objectives if each not in self._ranked and not bound_text(each)]
        if others:
            lines.append(f"Not used for stopping: {', '.join(each.metric for each in others)}.")
        return lines

    def _rule(self) -> str:
        share = f"n // {self._eta}"
        rule = f"Of the n trials at a rung, the best {share} continue"
        if self._options.share == "learned":
            rule += " if the rung has predicted the end, and more, up to nearly all, if it has not"
        rule += "; so does every trial that no other trial dominates"
        if self._options.variant == "promotion":
            return (
                f"{rule}. The others are paused, and continue from their adapters once they are among these."
            )
        if self._options.share == "learned":
            rule += (
                f". One in {1 / AUDITED:.0f} of the others is trained further, to learn what stopping loses"
            )
        return f"{rule}. The first {self._eta - 1} and every trial at the last rung always continue."

    def _bracket(self, trial: int) -> int:
        if self._brackets == 1:
            return 0
        weights = [self._eta**-bracket for bracket in range(self._brackets)]
        left = derived_share(self._seed, "bracket", trial) * sum(weights)
        for bracket, weight in enumerate(weights):
            left -= weight
            if left < 0:
                return bracket
        return self._brackets - 1

    def _measure(
        self, metrics: Mapping[str, float], intervals: Mapping[str, Interval]
    ) -> tuple[float, tuple[float, ...]]:
        violations = constraint_violations(self._objectives, metrics, intervals)
        violation = total_violation(self._objectives, violations)
        costs = tuple(objective.cost(metrics.get(objective.metric, math.nan)) for objective in self._ranked)
        if not (math.isfinite(violation) and all(map(math.isfinite, costs))):
            return math.inf, tuple(math.inf for _ in costs)
        return violation, costs


AUDITED = 0.1
"""Their share. Survivors are a biased sample: they do not show where stopping was wrong."""


def is_audited(seed: int, trial: int) -> bool:
    """Whether the trial is one of them; by the search's seed and its number alone."""
    return derived_share(seed, "audit", trial) < AUDITED
