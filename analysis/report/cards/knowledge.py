"""Knowledge against format: does a model still prefer the answer that it no longer writes?"""

from __future__ import annotations

import math
from typing import Any

from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Chart, Menu, Plot, Rule, Series, Table, XYChart
from analysis.report.context import Context, base_value, interval, value
from analysis.report.groups import Group, by_lr
from analysis.report.look import BLUE, VERMILION, Look
from analysis.report.lost import LostOrUnknown, over_items, over_trials
from analysis.report.statistics import Estimate, mean_share
from analysis.report.words import asked_late, estimated, no_questions, number
from search.judging.objectives import metrics_of

_KNOWS, _WRITES = Look(BLUE, "circle", "solid"), Look(VERMILION, "triangle-down", "dash")


@card(
    "knowledge",
    "Knowledge against format",
    34,
    read=(
        "Where the dashed line falls and the solid one stays, the model still knows the answer but no "
        "longer writes it."
    ),
)
class Knowledge:
    """Accuracy by likelihood of the options beside accuracy of the generated answers."""

    def applies(self, context: Context) -> str | None:
        """Where a skill is scored both ways."""
        if (none := no_questions(context)) is not None:
            return none
        if not _skills(context):
            return "No skill was scored both by generation and by likelihood."
        if "lr" not in context.parameters:
            return "The learning rate was not searched."
        return None

    def compute(self, context: Context) -> Findings:
        """Both accuracies by learning rate, and which fell further from the base model's."""
        skills = _skills(context)
        skill_rows = {skill: _rows(context, skill) for skill in skills}
        charts = {skill: _chart(context, skill, rows) for skill, rows in skill_rows.items()}
        sentences = [_sentence(skill, rows) for skill, rows in skill_rows.items()]
        variants: dict[tuple[int, ...], Chart] = {(i,): chart for i, chart in enumerate(charts.values())}
        many = len(skills) > 1
        plot = Plot(
            "knowledge",
            "Likelihood-scored and generated accuracy",
            f"Two lines over the learning rate. {sentences[0]}",
            tuple(charts.values()),
            (Menu("Questions", tuple(skills)),) if many else (),
            variants if many else {},
            _table(skill_rows),
        )
        return Findings(
            data={skill: [row.data() for row in rows] for skill, rows in skill_rows.items()},
            texts=tuple(sentences),
            notes=(
                "By likelihood, the model prefers the right option, whatever it would write. By "
                "generation, the answer is read from what it writes. Format was lost where the second fell "
                "surely further from the base model than the first, whose own fall is surely less than "
                "half as large; knowledge where the first surely fell; both where the second then fell "
                "surely further. Each group of questions is judged by itself, as the investigation judges "
                "them together.",
                "Differences from the base model are paired question by question where the answers were "
                "kept, else over trials as wholes, of which a single one has no interval.",
                "The counts include trials at the full budget, and those that were ended for being "
                "broken, by their last measurement. Where the base model scores at chance by likelihood "
                "there is no knowledge to lose.",
                *asked_late(context, skills),
            ),
            plots=(plot,),
        )


class _Row:
    """Both accuracies of one group of trials, and how far each fell."""

    def __init__(self, context: Context, skill: str, group: Group) -> None:
        likelihood, generation = _names(skill)
        self.group = group
        self.knows, self.writes = (_accuracy(group, name) for name in (likelihood, generation))
        base = base_value(context, generation), base_value(context, likelihood)
        measured = context.measured
        paired = None
        if None in measured and all(trial.number in measured for trial in group.trials):
            paired = over_items(measured[None], [measured[trial.number] for trial in group.trials], skill)
        values = [(value(trial, generation), value(trial, likelihood)) for trial in group.trials]
        self.shifts = paired or over_trials(base, values)

    def data(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "lr": self.group.label,
            "likelihood": self.knows.data(),
            "generation": self.writes.data(),
            "likelihood_change": self.shifts.likelihood.data(),
            "generation_change": self.shifts.generation.data(),
            "generation_change_minus_likelihood_change": self.shifts.gap.data(),
            "intervals_of_changes_over": self.shifts.of,
            "lost": self.shifts.lost,
        }


def _accuracy(group: Group, name: str) -> Estimate:
    """Mean over trials; of a single one its own value, with its interval over items."""
    accuracy = mean_share([value(trial, name) for trial in group.trials])
    around = interval(group.trials[0], name)
    return (
        accuracy
        if accuracy.n != 1 or around is None
        else Estimate(accuracy.value, around.low, around.high, around.n)
    )


def _names(skill: str) -> tuple[str, str]:
    return f"{skill}_likelihood", f"{skill}_generation"


def _skills(context: Context) -> list[str]:
    known = [set(metrics_of(trial)) for trial in context.judged]
    names = [skill["name"] for skill in context.skills]
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
            [estimate.value for estimate in estimates],
            look,
            "both",
            low=[None if estimate.low is None else max(0.0, estimate.low) for estimate in estimates],
            high=[None if estimate.high is None else min(1.0, estimate.high) for estimate in estimates],
            text=[
                f"lr {r.group.label}, {name}: {estimated(estimate)}"
                for r, estimate in zip(rows, estimates, strict=True)
            ],
        )
        for name, look, estimates in sides
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


_WORDS: dict[LostOrUnknown, str] = {
    "format": "format was lost and knowledge kept",
    "both": "both were lost, format further",
    "knowledge": "knowledge was lost",
    "undecided": "something was lost, and the sample cannot tell what",
    "neither": "neither is shown to be lost",
    "unknown": "which was lost is unknown, as one trial without its single answers has no interval,",
}


def _sentence(skill: str, rows: list[_Row]) -> str:
    parts = []
    for lost, words in _WORDS.items():
        labels = [row.group.label for row in rows if row.shifts.lost == lost]
        if labels:
            parts.append(f"{words} at lr {', '.join(labels)}")
    return f"{skill}: {'; '.join(parts)}."


def _table(skill_rows: dict[str, list[_Row]]) -> Table:
    rows = [
        (skill, r.group.label, estimated(r.knows), estimated(r.writes), _signed(r.shifts.gap), r.shifts.lost)
        for skill, rows in skill_rows.items()
        for r in rows
    ]
    return Table(
        ("questions", "learning rate", "by likelihood", "by generation", "fell further by", "lost"),
        tuple(rows),
        (
            "Mean accuracies over trials with 95% intervals; negative where generation fell further than "
            "likelihood."
        ),
    )


def _signed(change: Estimate) -> str:
    return number(change.value) if change.low is None else estimated(change)
