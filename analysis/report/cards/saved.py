"""What stopping trials early saved."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

from analysis import wording
from analysis.budget import budget_used
from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Plot, Series, Table, XYChart
from analysis.report.context import Context
from analysis.report.look import ended


@card("saved", "What stopping saved", 120)
class Saved:
    """Where trials ended, and the steps that were not trained."""

    def applies(self, context: Context) -> str | None:
        """With a trial that has ended."""
        return None if any(t.finished for t in context.trials) else "No trial has ended yet."

    def compute(self, context: Context) -> Findings:
        """Trials by the step at which they ended."""
        used = budget_used(context.state)
        counts: dict[str, Counter[int]] = {}
        looks = {}
        for trial in context.trials:
            if trial.finished is not None:
                kind = context.cause(trial) or trial.status
                counts.setdefault(kind, Counter())[trial.last.step if trial.last else 0] += 1
                looks[kind] = ended(trial.status, context.cause(trial))
        steps = sorted({step for own in counts.values() for step in own})
        series = tuple(
            Series(
                kind,
                [f"{step:,}" for step in steps],
                [own[step] for step in steps],
                looks[kind],
                "bars",
                text=[f"{own[step]:,} trials ended at step {step:,}: {kind}" for step in steps],
            )
            for kind, own in counts.items()
        )
        chart = XYChart(
            Axis(
                "last rung of the trial, in optimizer steps",
                "category",
                categories=tuple(f"{s:,}" for s in steps),
            ),
            Axis("trials", low=0),
            series,
            stacked=True,
        )
        table = Table(
            ("step", *counts),
            tuple((f"{step:,}", *(f"{own[step]:,}" for own in counts.values())) for step in steps),
            "Trials by their last rung and what ended them.",
        )
        text = (
            f"{used.steps_trained:,} of {used.steps_full:,} optimizer steps were trained: ending "
            f"{wording.plural(used.ended_early, 'trial')} early saved {used.steps_saved:,} "
            f"({used.share_saved:.0%})"
        )
        text += f", about {used.device_hours_saved:.3g} device-hours." if used.device_hours_saved else "."
        plot = Plot("ends", "Where trials ended", f"Stacked bars by last rung. {text}", (chart,), table=table)
        return Findings(
            data=asdict(used),
            texts=(text,),
            notes=(
                "Saved are the steps that trials ended by the scheduler, a guard or divergence did not do. "
                "Device-hours are these steps at the measured seconds per step, evaluation included.",
                (
                    "Whether stopping also lost a good trial cannot be seen here: what was stopped was not "
                    "trained further."
                ),
            ),
            plots=(plot,),
            tables=_evaluation(context, used.train_seconds, used.eval_seconds),
        )


def _evaluation(context: Context, train: float, evaluation: float) -> tuple[Table, ...]:
    """Where the time of trials and repetitions went, where the parts of evaluation were recorded."""
    parts: dict[str, float] = {}
    for trial in context.state.trials.values():
        for rung in trial.rungs:
            for name, seconds in rung.eval_parts.items():
                parts[name] = parts.get(name, 0.0) + seconds
    whole = train + evaluation
    if not parts or not whole:
        return ()
    rows = {"training": train, "evaluation": evaluation}
    rows |= {f"evaluation: {name}": seconds for name, seconds in sorted(parts.items())}
    cells = tuple((name, wording.duration(own), f"{own / whole:.1%}") for name, own in rows.items())
    return (Table(("", "time", "share"), cells, "Time of trials and repetitions, by what it was spent on."),)
