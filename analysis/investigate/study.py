"""What an investigation looks at: trials of a search or rows of a table, in one form."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analysis.investigate.answers import Answers


@dataclass(frozen=True)
class Share:
    """A share of items: its value from 0 to 1, and the number of items; None where that is not known."""

    value: float
    n: int | None = None


@dataclass(frozen=True)
class Measured:
    """One evaluation of one model.

    Attributes:
        step: Optimizer steps done; None where it is not known.
        loss: The loss that the search minimises; NaN where it was not measured.
        capability: Share of right answers, the unweighted mean over the skills; NaN likewise.
        n: Items that the capability rests on.
        bits: Of each skill "1" or "0" per item, as scored for capability; empty where only shares are known.
        shares: What else is known of the answers: "generation", "likelihood", "unparseable", "leaking", and
            "unread" for the sum of these two; means over the multiple-choice skills (of the first two over
            those scored both ways).
        unparseable: Share of multiple-choice replies that could not be read, by skill.
        metrics: Everything measured, under the names of the record.
        answers: What was answered, by skill and way of scoring; empty where only shares or bits are known.
    """

    step: int | None
    loss: float
    capability: float
    n: int | None = None
    bits: Mapping[str, str] = field(default_factory=dict)
    shares: Mapping[str, Share] = field(default_factory=dict)
    unparseable: Mapping[str, Share] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    answers: Mapping[tuple[str, str], Answers] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A trial, or a row of a table.

    Attributes:
        label: For people, for example "trial 3" or "row 4".
        x: Value of the parameter under investigation.
        group: Value of the parameter whose values are looked at one by one (the rank), or None.
        params: The parameters that were chosen for it.
        settings: All parameters, the seed among them, where they are known.
        measured: Its evaluations by step; at least one.
        ended: "completed", "stopped" (on purpose: scheduler or guard), "failed" or "running".
    """

    label: str
    x: float
    group: float | str | None
    params: Mapping[str, object]
    measured: tuple[Measured, ...]
    ended: Literal["completed", "stopped", "failed", "running"] = "completed"
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def last(self) -> Measured:
        """The latest evaluation."""
        return self.measured[-1]


@dataclass(frozen=True)
class Study:
    """A search, or the rows of one model in a table.

    Attributes:
        name: For people.
        parameter: The parameter under investigation.
        group: The parameter whose values are looked at one by one; None where there is none.
        cases: Trials with at least one evaluation, confirmations left out.
        base: The untouched model; None where it was not measured.
        budget: Optimizer steps of a trial trained to the end.
        chance: Share of right answers of a guesser, where it is known.
        unmeasured: Trials without any evaluation, by how they ended, with their value of the parameter.
        preferred: Label of the trial that the search itself recommends.
        ruled_out: Labels of trials whose repetitions with new seeds did not keep the search's constraints.
        fingerprints: Of the model and the data, as the search found them; empty where they are not known.
        notes: What the reader should know about how it was read.
    """

    name: str
    parameter: str
    group: str | None
    cases: tuple[Case, ...]
    base: Measured | None = None
    budget: int | None = None
    chance: float | None = None
    unmeasured: tuple[tuple[str, float], ...] = ()
    preferred: str | None = None
    ruled_out: frozenset[str] = frozenset()
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def without(self, labels: Collection[str]) -> Study:
        """The study without some of its cases."""
        return replace(self, cases=tuple(case for case in self.cases if case.label not in labels))

    @property
    def x(self) -> NDArray[np.float64]:
        """The parameter's values, shape (cases,)."""
        return np.array([case.x for case in self.cases], dtype=np.float64)

    def curves(self, what: Literal["loss", "capability"]) -> NDArray[np.float64]:
        """A quantity by case and step, shape (cases, steps); NaN where it was not measured.

        The columns are the steps at which any case was measured, ascending.
        """
        steps = sorted({m.step or 0 for case in self.cases for m in case.measured})
        place = {step: index for index, step in enumerate(steps)}
        curves = np.full((len(self.cases), len(steps)), np.nan)
        for row, case in enumerate(self.cases):
            for m in case.measured:
                value = getattr(m, what)
                curves[row, place[m.step or 0]] = value if math.isfinite(value) else np.nan
        return curves

    @property
    def strata(self) -> list[list[int]]:
        """Indices of cases that are compared with each other: by group on a grid, else all together.

        A group in which the parameter has one value only could compare nothing; where there is one, all
        cases are compared with each other.
        """
        groups: dict[object, list[int]] = {}
        for index, case in enumerate(self.cases):
            groups.setdefault(case.group, []).append(index)
        if all(len({self.cases[i].x for i in group}) >= 2 for group in groups.values()):
            return list(groups.values())
        return [list(range(len(self.cases)))]
