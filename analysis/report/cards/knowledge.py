"""Knowledge against format: does a model still prefer the answer that it no longer writes?"""

from __future__ import annotations

import math
from typing import Any

from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Chart, Menu, Plot, Rule, Series, Table, XYChart
from analysis.report.context import Context, base_value, value
from analysis.report.groups import Group, by_lr
from analysis.report.look import BLUE, VERMILION, Look
from analysis.report.statistics import Estimate, mean
from analysis.report.words import estimated, number
from search.record import TrialState

_KNOWS, _WRITES = Look(BLUE, "circle", "solid"), Look(VERMILION, "triangle-down", "dash")


@card("knowledge", "Knowledge against format", 34)
class Knowledge:
    """Accuracy by likelihood of the options beside accuracy of the generated answers."""

    def applies(self, context: Context) -> str | None:
        """Where a skill is scored both ways."""
        if not _skills(context):
            return "No skill was scored both by generation and by likelihood."
        if "lr" not in context.parameters:
            return "The learning rate was not searched."
        return None

    def compute(self, context: Context) -> Findings:
        """Both accuracies by learning rate, and which fell further from the base model's."""
        skills = _skills(context)
        found = {skill: _rows(context, skill) for skill in skills}
        charts = {skill: _chart(context, skill, rows) for skill, rows in found.items()}
        sentences = [_sentence(skill, rows) for skill, rows in found.items()]
        variants: dict[tuple[int, ...], Chart] = {(i,): chart for i, chart in enumerate(charts.values())}
        many = len(skills) > 1
        plot = Plot(
            "knowledge",
            "Likelihood-scored and generated accuracy",
            f"Two lines over the learning rate. {sentences[0]}",
            tuple(charts.values()),
            (Menu("Questions", tuple(skills)),) if many else (),
            variants if many else {},
            _table(found),
        )
        return Findings(
            data={skill: [row.data() for row in rows] for skill, rows in found.items()},
            texts=tuple(sentences),
            notes=(
                "By likelihood, the model prefers the right option, whatever it would write. By "
                "generation, the answer is read from what it writes. Where the second falls further from "
                "the base model than the first, and the interval over trials of the difference excludes 0, "
                "format was lost before knowledge.",
                "Counted are trials at the full budget, and those that were ended for being broken, by "
                "their last measurement. Where the base model scores at chance by likelihood there is no "
                "knowledge to lose.",
            ),
            plots=(plot,),
        )


class _Row:
    """Both accuracies of one group of trials."""

    def __init__(self, context: Context, skill: str, group: Group) -> None:
        names = _names(skill)
        self.group = group
        self.knows, self.writes = (mean([value(t, name) for t in group.trials]) for name in names)
        knew, wrote = (base_value(context, name) for name in names)
        self.further: Estimate = mean([_further(trial, names, (knew, wrote)) for trial in group.trials])

    @property
    def verdict(self) -> str:
        """Which of the two fell further."""
        if self.further.low is None or self.further.high is None:
            return "undecided"
        if self.further.high < 0:
            return "format lost before knowledge"
        return "knowledge lost before format" if self.further.low > 0 else "undecided"

    def data(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "lr": self.group.label,
            "likelihood": self.knows.data(),
            "generation": self.writes.data(),
            "generation_change_minus_likelihood_change": self.further.data(),
            "verdict": self.verdict,
        }


def _names(skill: str) -> tuple[str, str]:
    return f"{skill}_likelihood", f"{skill}_generation"


def _further(trial: TrialState, names: tuple[str, str], base: tuple[float, float]) -> float:
    """Change of the generated accuracy from the base model, less that of the likelihood-scored one."""
    return (value(trial, names[1]) - base[1]) - (value(trial, names[0]) - base[0])


def _skills(context: Context) -> list[str]:
    known = [set(trial.last.metrics) for trial in context.judged if trial.last]
    names = [skill["name"] for skill in context.config["capability"]["skills"]]
    return [name for name in names if any(set(_names(name)) <= metrics for metrics in known)]


def _rows(context: Context, skill: str) -> list[_Row]:
    names = _names(skill)
    trials = [t for t in context.judged if all(math.isfinite(value(t, name)) for name in names)]
    return [_Row(context, skill, group) for group in by_lr(trials, context.trials)]


def _chart(context: Context, skill: str, rows: list[_Row]) -> XYChart:
    centres = [row.group.centre for row in rows]
    sides = (
        ("by likelihood", _KNOWS, [r.knows for r in rows]),
        ("by generation", _WRITES, [r.writes for r in rows]),
    )
    series = tuple(
        Series(
            name,
            centres,
            [own.value for own in found],
            look,
            "both",
            low=[None if own.low is None else max(0.0, own.low) for own in found],
            high=[None if own.high is None else min(1.0, own.high) for own in found],
            text=[
                f"lr {r.group.label}, {name}: {estimated(own)}" for r, own in zip(rows, found, strict=True)
            ],
        )
        for name, look, found in sides
    )
    rules = tuple(
        Rule(f"base model {name}", base, "y", Look(look.colour, dash="dot"))
        for (name, look, _), metric in zip(sides, _names(skill), strict=True)
        if not math.isnan(base := base_value(context, metric))
    )
    return XYChart(
        Axis("learning rate", "log"),
        Axis("accuracy", low=0, high=1.05, share=True),
        series,
        rules,
        title=skill,
    )


def _sentence(skill: str, rows: list[_Row]) -> str:
    lost = [row.group.label for row in rows if row.verdict == "format lost before knowledge"]
    forgot = [row.group.label for row in rows if row.verdict == "knowledge lost before format"]
    parts = []
    if lost:
        parts.append(f"format was lost before knowledge at lr {', '.join(lost)}")
    if forgot:
        parts.append(f"knowledge was lost before format at lr {', '.join(forgot)}")
    if not parts:
        parts.append("neither is shown to have fallen further than the other at any learning rate")
    return f"{skill}: {'; '.join(parts)}."


def _table(found: dict[str, list[_Row]]) -> Table:
    rows = [
        (skill, r.group.label, estimated(r.knows), estimated(r.writes), _signed(r.further), r.verdict)
        for skill, own in found.items()
        for r in own
    ]
    return Table(
        ("questions", "learning rate", "by likelihood", "by generation", "fell further by", "verdict"),
        tuple(rows),
        (
            "Mean accuracies over trials with 95% intervals; negative where generation fell further than "
            "likelihood."
        ),
    )


def _signed(own: Estimate) -> str:
    return number(own.value) if own.low is None else estimated(own)
