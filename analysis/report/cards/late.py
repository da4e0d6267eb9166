"""Skills that are evaluated only at the end: how front trials score on them, beside the base model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.report.base_comparison import score_change, unpaired_change
from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Chart, Menu, Plot, Rule, Series, Table, XYChart
from analysis.report.context import Context, base_value, interval, value
from analysis.report.look import BASE, BEST, FRONT, Look
from analysis.report.statistics import Estimate
from analysis.report.words import MOST_ROWS, bracketed, cut, no_questions, with_interval
from search import wording
from search.record import TrialState
from trainables.interval import Interval

_WHO = {
    "last": "trials at their full budget",
    "front": "trials on the Pareto front, once the search was over",
}
_MOST_DRAWN = 40


@card(
    "late",
    "Skills evaluated at the end",
    12,
    read=(
        "Each mark is a model's share of right answers to questions that were asked only at the end. Marks "
        "below the dashed line, the base model, have lost something."
    ),
)
class Late:
    """Skills with `at: last` or `at: front`, which do not count for capability."""

    def applies(self, context: Context) -> str | None:
        """Where such a skill is configured, and a trial was evaluated on it."""
        if (none := no_questions(context)) is not None:
            return none
        if not _late(context):
            return "Every skill is evaluated at every rung."
        return (
            None
            if _compared_skills(context)
            else ("No trial has been evaluated on the skills that are evaluated at the end.")
        )

    def compute(self, context: Context) -> Findings:
        """The front's scores of each skill beside the base model's, with the change; other trials below."""
        skills = _compared_skills(context)
        charts: dict[str, Chart] = {skill.name: _chart(context, skill) for skill in skills}
        many = len(charts) > 1
        alt = " ".join(_sentence(context, skill) for skill in skills)
        plot = Plot(
            "late",
            "Right answers beside the base model",
            alt,
            tuple(charts.values()),
            (Menu("Skill", tuple(charts)),) if many else (),
            {(index,): chart for index, chart in enumerate(charts.values())} if many else {},
        )
        tables = [_table(context, skill, skill.chosen, open=True) for skill in skills if skill.chosen]
        tables += [_table(context, skill, skill.others, open=False) for skill in skills if skill.others]
        return Findings(
            data={skill.name: _data(context, skill) for skill in skills},
            texts=tuple(_sentence(context, skill) for skill in skills),
            notes=(
                _uncounted(context),
                "Changes are paired with the base model question by question where the answers were kept "
                "(Agresti and Min, 2005, doi:10.1002/sim.1781); otherwise their intervals are combined "
                "from those of the two scores (Newcombe, 1998, "
                "doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I), which is wider "
                "than necessary.",
            ),
            plots=(plot,),
            tables=tuple(tables),
        )


def _uncounted(context: Context) -> str:
    if context.relative is None:
        return "No decision used these skills."
    score = context.relative.name
    return f"These skills do not count for {score} and {context.ratio}, and no decision used them."


@dataclass(frozen=True)
class _Skill:
    """A late skill.

    Attributes:
        at: "last" or "front".
        metrics: Its metrics that were measured, that of the first way of scoring before the others.
        way: That way.
        chosen: Evaluated trials that are on the front or recommended, in the order of the front.
        others: The other evaluated trials.
    """

    name: str
    at: str
    way: str
    metrics: tuple[str, ...]
    chosen: tuple[TrialState, ...]
    others: tuple[TrialState, ...]


def _late(context: Context) -> list[Mapping[str, Any]]:
    return [s for s in context.skills if s.get("at", "every") != "every"]


def _compared_skills(context: Context) -> list[_Skill]:
    front = [optimal.number for optimal in context.front]
    best = context.recommended
    wanted = [*front, best] if best is not None and best not in front else front
    skills = []
    for skill in _late(context):
        names = [f"{skill['name']}_{way}" for way in skill["scoring"]]
        asked = {t.number: t for t in context.trials if math.isfinite(value(t, names[0]))}
        if asked:
            chosen = tuple(asked[number] for number in wanted if number in asked)
            others = tuple(trial for number, trial in asked.items() if number not in wanted)
            known = [name for name in names if any(math.isfinite(value(t, name)) for t in asked.values())]
            skills.append(
                _Skill(skill["name"], skill["at"], skill["scoring"][0], tuple(known), chosen, others)
            )
    return skills


def _sentence(context: Context, skill: _Skill) -> str:
    asked = len(skill.chosen) + len(skill.others)
    text = (
        f"{skill.name} is evaluated only on {_WHO.get(skill.at, 'some trials')}: {asked:,} of "
        f"{wording.plural(len(context.trials), 'trial')} were evaluated."
    )
    best = next((trial for trial in skill.chosen if trial.number == context.recommended), None)
    if best is None:
        return text
    name, change = skill.metrics[0], _change(context, skill, best)
    text += (
        f" The recommended trial {best.number} has {with_interval(value(best, name), interval(best, name))}"
    )
    if context.base is None or not math.isfinite(base_value(context, name)):
        return f"{text}."
    base = with_interval(base_value(context, name), context.base.intervals.get(name))
    if change is None or change.low is None or change.high is None:
        return f"{text}, the base model {base}."
    sure = (
        "significantly fewer right answers than the base model"
        if change.high < 0
        else "significantly more right answers than the base model"
        if change.low > 0
        else "no difference from the base model is shown"
    )
    return f"{text}, the base model {base}: {sure} (change {_ends(change)})."


def _change(context: Context, skill: _Skill, trial: TrialState) -> Estimate | None:
    """The trial's score less the base model's; None where the base model has none."""
    name = skill.metrics[0]
    before, after = base_value(context, name), value(trial, name)
    if context.base is None or not math.isfinite(before):
        return None
    a, b = context.base.intervals.get(name), interval(trial, name)
    around = score_change(context, trial, skill.name, skill.way)
    if around is None and a is not None and b is not None:
        around = unpaired_change(before, a, after, b)
    if around is None:
        return Estimate(after - before, None, None, 0)
    return Estimate(after - before, around.low, around.high, around.n)


def _ends(change: Estimate | None) -> str:
    if change is None:
        return "-"
    known = change.low is not None and change.high is not None
    return bracketed(change.value, (change.low or 0.0, change.high or 0.0) if known else None)


def _table(context: Context, skill: _Skill, trials: Sequence[TrialState], open: bool) -> Table:
    rows = []
    if context.base is not None:
        base = context.base
        cells = (with_interval(base_value(context, m), base.intervals.get(m)) for m in skill.metrics)
        rows.append(("base model", "-", *cells, "-"))
    for trial in trials[:MOST_ROWS]:
        cells = (with_interval(value(trial, m), interval(trial, m)) for m in skill.metrics)
        name = f"trial {trial.number}" + (", recommended" if trial.number == context.recommended else "")
        change = _ends(_change(context, skill, trial))
        rows.append((name, wording.params(trial.proposed.sampled), *cells, change))
    which = "Trials to choose from" if open else "Other evaluated trials"
    caption = f"{skill.name}: {which[0].lower()}{which[1:]}, with 95% intervals over n questions."
    columns = ("model", "parameters", *skill.metrics, f"change of {skill.metrics[0]}")
    return Table(columns, tuple(rows), f"{caption}{cut(len(trials))}", open=open)


def _chart(context: Context, skill: _Skill) -> XYChart:
    name = skill.metrics[0]
    shown = (skill.chosen or skill.others)[:_MOST_DRAWN]
    base = base_value(context, name)
    series = []
    if context.base is not None and math.isfinite(base):
        series.append(_points("base model", ["base model"], [base], [context.base.intervals.get(name)], BASE))
    others = "on the front" if skill.chosen else "asked"
    for label, look, trials in (
        (others, FRONT, [t for t in shown if t.number != context.recommended]),
        ("recommended", BEST, [t for t in shown if t.number == context.recommended]),
    ):
        if trials:
            places = [f"trial {trial.number}" for trial in trials]
            intervals = [interval(trial, name) for trial in trials]
            series.append(_points(label, places, [value(t, name) for t in trials], intervals, look))
    order = ("base model", *(f"trial {trial.number}" for trial in shown))
    return XYChart(
        Axis("", "category", categories=order if math.isfinite(base) else order[1:]),
        Axis(f"{name} (higher is better)", low=0, high=1.05, share=True),
        tuple(series),
        (Rule("base model's score", base, "y", BASE),) if math.isfinite(base) else (),
        title=skill.name,
    )


def _points(
    name: str, places: list[str], values: list[float], around: list[Interval | None], look: Look
) -> Series:
    return Series(
        name,
        places,
        values,
        look,
        low=[None if interval is None else interval.low for interval in around],
        high=[None if interval is None else interval.high for interval in around],
        text=[
            f"{at}: {with_interval(value, interval)}"
            for at, value, interval in zip(places, values, around, strict=True)
        ],
    )


def _data(context: Context, skill: _Skill) -> dict[str, Any]:
    def trial_data(trial: TrialState) -> dict[str, Any]:
        change = _change(context, skill, trial)
        return {
            "trial": trial.number,
            "metrics": {name: value(trial, name) for name in skill.metrics},
            "change": None if change is None else change.data(),
        }

    return {
        "at": skill.at,
        "asked": len(skill.chosen) + len(skill.others),
        "base": {name: base_value(context, name) for name in skill.metrics},
        "front": [trial_data(trial) for trial in skill.chosen],
        "others": [trial_data(trial) for trial in skill.others],
    }
