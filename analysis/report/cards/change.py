"""Change from the base model by learning rate, in four grades."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from analysis import wording
from analysis.grades import FLOORS, LABELS, Grade, GradeName, grade
from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Plot, Rule, Series, Table, XYChart
from analysis.report.context import RETENTION, Context
from analysis.report.groups import Group, by_lr
from analysis.report.look import GRADE_LOOKS, INK
from analysis.report.statistics import Estimate
from analysis.report.words import JUDGED, estimated
from search.record import TrialState
from search.record.events import Interval

if TYPE_CHECKING:
    from analysis.investigate.study import Measured

GRADES = tuple(name for name, _ in FLOORS)
_PHRASES: dict[GradeName, str] = {
    "maintained": "maintained",
    "slight": "slight loss",
    "moderate": "moderate loss",
    "catastrophic": "catastrophic loss",
}
_RULE = (
    f"Grades are of retention, the share of the base model's capability that is left: "
    f"{'; '.join(LABELS.values())}. The first bound is the usual floor of a search, the second allows three "
    "times its loss, and below the last less than half is left. Where the ends of an interval lie in other "
    "grades than the mean, the grade is not sure."
)


@card("change", "Change from the base model by learning rate", 30)
class Change:
    """How much of the base model's capability each learning rate leaves."""

    def applies(self, context: Context) -> str | None:
        """With retention, and with learning rates that vary."""
        if context.base is None or context.kept != RETENTION:
            return "Retention was not measured: it needs a base model and a capability."
        if "lr" not in context.parameters:
            return "The learning rate was not searched."
        if not _groups(context):
            return "No trial with a measured retention has reached the full budget or broken before it."
        return None

    def compute(self, context: Context) -> Findings:
        """A bar for each learning rate, in the colour and pattern of its grade."""
        found = [_Row(context, group) for group in _groups(context)]
        chart = XYChart(
            Axis("learning rate", "category", categories=tuple(row.group.label for row in found)),
            Axis("change from the base model", share=True),
            tuple(_bars(name, own) for name in GRADES if (own := [r for r in found if r.grade == name])),
            (Rule("base model", 0.0, "y", INK),),
            stacked=True,
        )
        sentence = _sentence(found)
        plot = Plot("change-by-lr", "Change from the base model", sentence, (chart,), table=_table(found))
        return Findings(
            data={"groups": [row.data() for row in found], "rule": _RULE},
            texts=(sentence,),
            notes=(_RULE, JUDGED, _intervals(found)),
            plots=(plot,),
        )


def _groups(context: Context) -> list[Group]:
    return by_lr([t for t in context.judged if math.isfinite(context.left(t))], context.trials)


class _Row:
    """One group of trials with its mean and grades."""

    def __init__(self, context: Context, group: Group) -> None:
        self.group = group
        self.counts: Counter[GradeName] = Counter(_grade(context, trial) for trial in group.trials)
        self.diverged = sum(trial.status == "diverged" for trial in group.trials)
        self.mean = _mean(context, group)
        self.of = "trials" if self.mean.low is None else "questions"
        self.text = estimated(self.mean, self.of)
        self.graded = _graded(self.mean.value, self.mean.low, self.mean.high)
        self.grade = self.graded.name

    def data(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "lr": self.group.label,
            "trials": [trial.number for trial in self.group.trials],
            "retention": self.mean.data() | {"n_of": self.of},
            "grade": self.grade,
            "grades_of_interval": [self.graded.worst, self.graded.best],
            "trials_by_grade": {name: self.counts[name] for name in GRADES},
            "diverged": self.diverged,
        }


def _mean(context: Context, group: Group) -> Estimate:
    """Over trials, with the interval that the investigation gives a level; n then counts questions."""
    from analysis.investigate.retention import retention_interval

    values = [context.left(trial) for trial in group.trials]
    middle = math.fsum(values) / len(values)
    base = context.measured.get(None)
    tuned = [own for trial in group.trials if (own := _measured(context, trial)) is not None]
    found = None
    if base is not None and base.capability > 0 and len(tuned) == len(group.trials):
        found = retention_interval(base, tuned)
    if found is None:
        return Estimate(middle, None, None, len(values))
    return Estimate(middle, found.low, found.high, found.n)


def _measured(context: Context, trial: TrialState) -> Measured | None:
    base, own = context.measured.get(None), context.measured.get(trial.number)
    if trial.status != "diverged" or base is None:
        return own
    return replace(base, capability=0.0, bits={skill: "0" * len(text) for skill, text in base.bits.items()})


def _grade(context: Context, trial: TrialState) -> GradeName:
    return _graded(context.left(trial), None, None).name


def _graded(retention: float, low: float | None, high: float | None) -> Grade:
    around = None if low is None or high is None else Interval(low=low, high=high, n=0)
    found = grade(retention, around)
    assert found is not None  # only finite values come here
    return found


def _less(end: float | None) -> float | None:
    return None if end is None or not math.isfinite(end) else max(end - 1, -1.0)


def _bars(name: GradeName, rows: list[_Row]) -> Series:
    return Series(
        name,
        [row.group.label for row in rows],
        [row.mean.value - 1 for row in rows],
        GRADE_LOOKS[name],
        "bars",
        low=[_less(row.mean.low) for row in rows],
        high=[_less(row.mean.high) for row in rows],
        text=[f"lr {row.group.label}: retention {row.text}" for row in rows],
    )


def _sentence(found: list[_Row]) -> str:
    parts = []
    for name in GRADES:
        own = [f"{row.group.label} ({row.text})" for row in found if row.grade == name]
        if own:
            parts.append(f"{_PHRASES[name]} at lr {', '.join(own)}")
    return f"Retention by learning rate, the mean over trials: {'; '.join(parts)}."


def _intervals(found: list[_Row]) -> str:
    unsure = [f"lr {row.group.label} {row.graded}" for row in found if not row.graded.sure]
    text = (
        "Intervals are of the mean over trials, by a bootstrap over trials and questions at once, as in the "
        "investigation; where the outcomes of questions are known they are paired with the base model's."
    )
    if unsure:
        text += f" Not sure: {'; '.join(unsure)}."
    return text


def _table(found: list[_Row]) -> Table:
    return Table(
        (
            "learning rate",
            "trials",
            "mean retention",
            "grade",
            *(f"{name} trials" for name in GRADES),
            "diverged",
        ),
        tuple(
            (
                row.group.label,
                wording.plural(len(row.group.trials), "trial"),
                row.text,
                str(row.graded),
                *(str(row.counts[name]) for name in GRADES),
                str(row.diverged),
            )
            for row in found
        ),
        "Retention and grades by learning rate.",
    )
