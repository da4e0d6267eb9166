"""What stopping trials early saved."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Plot, Series, Table, XYChart
from analysis.report.context import Context
from analysis.report.look import ended
from analysis.report.words import ending, spoken
from search import wording
from search.judging.budget import BudgetUsed, budget_used
from search.judging.rungs import is_by_trial

_NOTES = (
    "The saving is the number of steps not taken by trials that the scheduler, a guard or divergence "
    "ended. The device time is these steps at the measured seconds per step, including evaluation.",
    (
        "This does not show whether stopping also lost a good trial, because stopped trials were not "
        "trained further."
    ),
)


@card(
    "saved",
    "What stopping saved",
    120,
    read="How much training early stopping of poor trials saved.",
)
class Saved:
    """Where trials ended, and the steps that were not trained."""

    def applies(self, context: Context) -> str | None:
        """With a trial that has ended."""
        return None if any(t.finished for t in context.trials) else "No trial has ended yet."

    def compute(self, context: Context) -> Findings:
        """Trials by the step at which they ended."""
        used = budget_used(context.state)
        text = _sentence(used)
        return Findings(
            data=asdict(used),
            texts=(text,),
            notes=_NOTES if used.ended_early else (),
            plots=(_plot(context, text),) if used.ended_early else (),
            tables=_evaluation(context, used.train_seconds, used.eval_seconds),
        )


def _sentence(used: BudgetUsed) -> str:
    trained = f"{used.steps_trained:,} of {used.steps_full:,} optimizer steps were trained"
    if not used.ended_early:
        return f"{trained}, and no trial was stopped early: nothing was saved."
    text = (
        f"{trained}: ending {wording.plural(used.ended_early, 'trial')} early saved {used.steps_saved:,} "
        f"({used.share_saved:.0%})"
    )
    if used.device_hours_saved:
        text += f", about {spoken(3600 * used.device_hours_saved)} of one device"
    return f"{text}."


def _plot(context: Context, text: str) -> Plot:
    by_trial = is_by_trial(context.state)
    unit = "rung" if by_trial else "step"
    counts: dict[str, Counter[int]] = {}
    looks = {}
    for trial in context.trials:
        if trial.finished is not None:
            kind = ending(context, trial)
            step = trial.last.step if trial.last else 0
            counts.setdefault(kind, Counter())[len(trial.rungs) if by_trial else step] += 1
            looks[kind] = ended(trial.status, context.cause(trial))
    steps = sorted({step for count in counts.values() for step in count})
    names = tuple(f"{step:,}" for step in steps)
    series = tuple(
        Series(
            kind,
            names,
            [count[step] for step in steps],
            looks[kind],
            "bars",
            text=[f"{count[step]:,} trials ended at {unit} {step:,}: {kind}" for step in steps],
        )
        for kind, count in counts.items()
    )
    title = "last rung of the trial" if by_trial else "last rung of the trial, in optimizer steps"
    across = Axis(title, "category", categories=names)
    table = Table(
        (unit, *counts),
        tuple((f"{step:,}", *(f"{count[step]:,}" for count in counts.values())) for step in steps),
        "Trials by their last rung and what ended them.",
    )
    chart = XYChart(across, Axis("trials", low=0), series, stacked=True)
    return Plot("ends", "Where trials ended", f"Stacked bars by last rung. {text}", (chart,), table=table)


def _evaluation(context: Context, train: float, evaluation: float) -> tuple[Table, ...]:
    """Where the time of trials and repetitions went, where the parts of evaluation were recorded."""
    parts: dict[str, float] = {}
    for trial in context.state.trials.values():
        for eval_part in trial.eval_parts:
            for name, seconds in eval_part.items():
                parts[name] = parts.get(name, 0.0) + seconds
    whole = train + evaluation
    if not parts or not whole:
        return ()
    rows = {"training": train, "evaluation": evaluation}
    rows |= {f"evaluation: {name}": seconds for name, seconds in sorted(parts.items())}
    cells = tuple((name, spoken(seconds), f"{seconds / whole:.1%}") for name, seconds in rows.items())
    return (Table(("", "time", "share"), cells, "Time of trials and repetitions, by use."),)
