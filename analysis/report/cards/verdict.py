"""What to use, why, what it costs, and how sure that is."""

from __future__ import annotations

import math

from analysis import wording
from analysis.causes import causes
from analysis.costs import cost_line, spent_line
from analysis.objectives import cost, is_measured, keeps_constraints, metrics_of
from analysis.recommendation import constraints
from analysis.report.card import Findings, card
from analysis.report.chart import Table
from analysis.report.context import Context, base_value, interval, value
from analysis.report.words import number, with_interval
from search.record import TrialState

_SIDE = ("right", "wrong", "unparseable", "leaking", "general_perplexity")


@card("verdict", "Verdict and recommendation", 0)
class Verdict:
    """The recommendation in plain words, with its evidence."""

    def applies(self, context: Context) -> str | None:
        """Always."""
        return None

    def compute(self, context: Context) -> Findings:
        """The recommended trial beside the base model and beside the choice by loss alone."""
        summary, best = context.summary, context.recommended
        texts = [_first(context)]
        tempting = _by_first_objective(context)
        if tempting is not None:
            texts.append(_temptation(context, tempting))
        texts.append(f"What the search cost: {cost_line(summary)} {spent_line(summary)}")
        return Findings(
            data={
                "recommended": summary["recommended"],
                "reason": summary["reason"],
                "caveats": summary["caveats"],
                "by_first_objective_alone": None if tempting is None else tempting.number,
                "counts": summary["counts"],
                "causes": causes(context.state),
            },
            texts=tuple(texts),
            notes=(*_state(context), *summary["caveats"]),
            tables=() if best is None else (_table(context, context.state.trials[best]),),
        )


def _first(context: Context) -> str:
    best, reason = context.summary["recommended"], context.summary["reason"].rstrip(".")
    if best is None:
        return f"No trial can be recommended. {reason}."
    adapter = (
        f" Its adapter (PEFT format) is {best['adapter']} in the search's folder." if best["adapter"] else ""
    )
    return f"Use trial {best['trial']}: {reason}.{adapter}"


def _by_first_objective(context: Context) -> TrialState | None:
    """The completed trial with the best first objective, where that is not the one to use."""
    if len(context.objectives) < 2 and context.kept is None:
        return None
    first = context.objectives[0]
    usable = [t for t in context.completed if is_measured((first,), metrics_of(t))]
    if not usable:
        return None
    best = min(usable, key=lambda trial: (cost(first, value(trial, first.metric)), trial.number))
    return None if best.number == context.recommended else best


def _temptation(context: Context, tempting: TrialState) -> str:
    first, kept = context.objectives[0], context.kept
    text = (
        f"By {first.metric} alone trial {tempting.number} ({wording.params(tempting.proposed.sampled)}) "
        f"would have been taken, with {first.metric} {with_interval(value(tempting, first.metric), None)}"
    )
    if kept is not None and kept != first.metric:
        text += f" and {kept} {with_interval(value(tempting, kept), interval(tempting, kept))}"
    if not keeps_constraints(context.objectives, metrics_of(tempting)):
        text += f"; it breaks {constraints(context.objectives)}"
    if (number_ := context.recommended) is not None:
        chosen = context.state.trials[number_]
        given_up = cost(first, value(chosen, first.metric)) - cost(first, value(tempting, first.metric))
        if math.isfinite(given_up) and given_up > 0:
            text += (
                ". Between the two trials' own runs, the recommended one gives up "
                f"{wording.number(given_up)} of {first.metric}"
            )
    return text + "."


def _state(context: Context) -> list[str]:
    found = []
    if context.base is None:
        found.append("No base model was measured: there is nothing to compare the trials with.")
    ended = context.summary["search"]["ended"]
    if ended != "finished":
        how = f"was {ended}" if ended == "interrupted" else "failed" if ended else "has not ended in order"
        found.append(f"The search {how}: this is what it had found by then.")
    return found


def _table(context: Context, best: TrialState) -> Table:
    known = metrics_of(best)
    names = [*context.shown_metrics, *(name for name in _SIDE if name in known)]
    base = context.base
    rows = []
    for name in dict.fromkeys(names):
        before, after = base_value(context, name), value(best, name)
        around = None if base is None else base.intervals.get(name)
        change = number(after - before) if math.isfinite(after - before) else "-"
        rows.append((name, with_interval(before, around), with_interval(after, interval(best, name)), change))
    return Table(
        ("metric", "base model", f"trial {best.number}, its own run", "change"),
        tuple(rows),
        (
            "The recommended trial beside the base model, with 95% intervals over n items where they were "
            "recorded."
        ),
        open=True,
    )
