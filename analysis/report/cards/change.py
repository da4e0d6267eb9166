"""Change from the base model by learning rate, in four grades."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from analysis.report.base_comparison import mean_kept, one_rule
from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Plot, Rule, Series, Table, XYChart
from analysis.report.context import Context
from analysis.report.glossary import sentence_case
from analysis.report.groups import Group, by_lr
from analysis.report.look import GRADE_LOOKS, INK
from analysis.report.words import JUDGED, not_kept
from search import wording
from search.judging.grades import FLOORS, Grade, GradeName, grade, grade_labels
from search.record import TrialState
from trainables.interval import Interval

GRADES = tuple(name for name, _ in FLOORS)
_PHRASES: dict[GradeName, str] = {
    "maintained": "maintained",
    "slight": "slight loss",
    "moderate": "moderate loss",
    "catastrophic": "catastrophic loss",
}
_RULE = (
    "Grades are of {ratio}, the share of the base model's {score} that remains: {labels}. The first bound is "
    "the usual floor of a search, the second allows three times that loss, and below the last less than half "
    "remains. If the ends of an interval lie in other grades than the mean, the grade is uncertain."
)


@card(
    "change",
    "Change from the base model by learning rate",
    30,
    read=(
        "Bars hang down from the base model: -20% means that a fifth of its {score} is lost. The thin "
        "lines are 95% intervals."
    ),
)
class Change:
    """How much of the base model's capability each learning rate leaves."""

    def applies(self, context: Context) -> str | None:
        """With retention, and with learning rates that vary."""
        if context.base is None or not context.keeps_ratio:
            return not_kept(context)
        if "lr" not in context.parameters:
            return "The learning rate was not searched."
        if not _groups(context):
            return (
                f"No trial with a measured {context.ratio} has reached the full budget or broken before it."
            )
        return None

    def compute(self, context: Context) -> Findings:
        """A bar for each learning rate, in the colour and pattern of its grade."""
        rows, ratio = [_Row(context, group) for group in _groups(context)], str(context.ratio)
        labels = "; ".join(grade_labels(ratio).values())
        rule = _RULE.format_map(context.terms | {"ratio": ratio, "labels": labels})
        chart = XYChart(
            Axis("learning rate", "category", categories=tuple(row.group.label for row in rows)),
            Axis("change from the base model", share=True),
            tuple(
                _bars(ratio, name, graded)
                for name in GRADES
                if (graded := [r for r in rows if r.grade == name])
            ),
            (Rule("base model", 0.0, "y", INK),),
            stacked=True,
        )
        sentence = _sentence(ratio, rows)
        plot = Plot(
            "change-by-lr", "Change from the base model", sentence, (chart,), table=_table(ratio, rows)
        )
        return Findings(
            data={"groups": [row.data(ratio) for row in rows], "rule": rule},
            texts=(sentence,),
            notes=(rule, JUDGED, *one_rule(context), *_unsure(rows)),
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
        self.kept = mean_kept(context, group.trials)
        self.mean = self.kept.estimate
        self.text = str(self.kept)
        self.graded = _graded(self.mean.value, self.mean.low, self.mean.high)
        self.grade = self.graded.name

    def data(self, ratio: str) -> dict[str, Any]:
        """As plain data."""
        return {
            "lr": self.group.label,
            "trials": [trial.number for trial in self.group.trials],
            ratio: self.kept.data(),
            "grade": self.grade,
            "grades_of_interval": [self.graded.worst, self.graded.best],
            "trials_by_grade": {name: self.counts[name] for name in GRADES},
            "diverged": self.diverged,
        }


def _grade(context: Context, trial: TrialState) -> GradeName:
    return _graded(context.left(trial), None, None).name


def _graded(retention: float, low: float | None, high: float | None) -> Grade:
    around = None if low is None or high is None else Interval(low=low, high=high, n=0)
    graded = grade(retention, around)
    assert graded is not None  # only finite values come here
    return graded


def _less(end: float | None) -> float | None:
    return None if end is None or not math.isfinite(end) else max(end - 1, -1.0)


def _bars(ratio: str, name: GradeName, rows: list[_Row]) -> Series:
    return Series(
        name,
        [row.group.label for row in rows],
        [row.mean.value - 1 for row in rows],
        GRADE_LOOKS[name],
        "bars",
        low=[_less(row.mean.low) for row in rows],
        high=[_less(row.mean.high) for row in rows],
        text=[f"lr {row.group.label}: {ratio} {row.text}" for row in rows],
    )


def _sentence(ratio: str, rows: list[_Row]) -> str:
    parts = []
    for name in GRADES:
        labels = [f"{row.group.label} ({row.text})" for row in rows if row.grade == name]
        if labels:
            parts.append(f"{_PHRASES[name]} at lr {', '.join(labels)}")
    return f"{sentence_case(ratio)} by learning rate, the mean over trials: {'; '.join(parts)}."


def _unsure(rows: list[_Row]) -> tuple[str, ...]:
    unsure = [f"lr {row.group.label} {row.graded}" for row in rows if not row.graded.sure]
    return (f"Uncertain grades: {'; '.join(unsure)}.",) if unsure else ()


def _table(ratio: str, rows: list[_Row]) -> Table:
    return Table(
        (
            "learning rate",
            f"mean {ratio}",
            "grade of the mean",
            "trials",
            "by their own grade",
        ),
        tuple(
            (
                row.group.label,
                row.text,
                str(row.graded),
                str(len(row.group.trials)),
                wording.counted({name: row.counts[name] for name in GRADES} | {"diverged": row.diverged}),
            )
            for row in rows
        ),
        f"{sentence_case(ratio)} and grades by learning rate.",
        printed=True,
    )
