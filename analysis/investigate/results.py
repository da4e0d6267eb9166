"""What an investigation found, as data."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from analysis.investigate.study import Study
from search.judging.grades import Grade

CheckResult: TypeAlias = Literal["pass", "fail", "not applicable"]
Verdict: TypeAlias = Literal["real", "artifact", "undecided"]
Lost: TypeAlias = Literal["format", "knowledge", "both", "neither", "undecided", "not applicable"]


@dataclass(frozen=True)
class Statistic:
    """A number that a check rests on.

    Attributes:
        low: Lower bound of its 95% interval, or None.
        p: Two-sided p-value, adjusted where `method` says so, or None.
        n: What it counts: cases, items or groups.
    """

    name: str
    value: float
    method: str
    low: float | None = None
    high: float | None = None
    p: float | None = None
    n: int | None = None


@dataclass(frozen=True)
class Table:
    """Cells over two parameters; None where nothing was measured.

    Attributes:
        rows: Labels of the rows (the parameter's levels), `columns` those of the groups.
    """

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True)
class Check:
    """One of the five checks.

    Attributes:
        key: "a" to "e".
        sentence: What was found, in plain words.
        details: Further sentences.
    """

    key: str
    title: str
    outcome: CheckResult
    sentence: str
    statistics: tuple[Statistic, ...] = ()
    tables: tuple[Table, ...] = ()
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fault:
    """Something wrong with the evaluation.

    Attributes:
        kind: Name of the artifact's class.
        study: Name of the search that it is in.
        cases: Trials whose scores it makes unusable.
        certain: Whether the evidence admits no other reading; else it is a suspicion that keeps a verdict
            from being reached, and never explains a fall.
        sentence: The evidence.
        fix: What to do about it.
        whole: Whether it concerns the evaluation of every model, the base model too.
        repaired: For such a fault, the study scored so that it does not matter; None where that cannot be
            done.
    """

    kind: str
    study: str
    cases: tuple[str, ...]
    certain: bool
    sentence: str
    fix: str
    whole: bool = False
    repaired: Study | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Level:
    """A value or a range of the parameter, over all its trials.

    Attributes:
        retention: Mean capability as a share of the base model's; None without a base.
        low: Lower bound of its 95% interval, or None.
        grade: None without a base.
    """

    label: str
    cases: int
    loss: float
    capability: float
    retention: float | None = None
    low: float | None = None
    high: float | None = None
    grade: Grade | None = None


@dataclass(frozen=True)
class Finding:
    """Whether knowledge or format was lost, at the end of the parameter where capability is lowest."""

    lost: Lost
    sentence: str
    statistics: tuple[Statistic, ...] = ()


@dataclass(frozen=True)
class Recommended:
    """The configuration with the best loss among those that keep the capability."""

    label: str | None
    params: dict[str, object]
    sentence: str


@dataclass(frozen=True)
class Investigation:
    """The answer to whether a loss of capability is real.

    Attributes:
        verdict: "real", "artifact" or "undecided".
        headline: The verdict in a sentence.
        reasons: Why, the weightiest first.
        winner: What happens to capability where the loss is best.
        needed: What it would take to decide, where the verdict is "undecided" for want of data.
    """

    studies: tuple[str, ...]
    parameter: str
    group: str | None
    verdict: Verdict
    headline: str
    reasons: tuple[str, ...]
    checks: tuple[Check, ...]
    faults: tuple[Fault, ...]
    finding: Finding
    levels: tuple[Level, ...]
    winner: str
    recommended: Recommended
    needed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON; NaN as None."""
        faults = [dataclasses.replace(fault, repaired=None) for fault in self.faults]
        data: dict[str, Any] = _plain(dataclasses.asdict(dataclasses.replace(self, faults=tuple(faults))))
        for fault in data["faults"]:
            del fault["repaired"]
        return data


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
