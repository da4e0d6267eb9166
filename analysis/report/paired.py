"""How a trial's scores differ from the base model's, question by question."""

from __future__ import annotations

from analysis.report.context import Context
from analysis.report.items import rights
from search.errors import RecordError
from search.judging.paired import difference
from search.record import TrialState
from search.record.explained import ratios
from trainables.interval import Interval


def score_change(context: Context, trial: TrialState, skill: str, way: str) -> Interval | None:
    """95% interval of the change of a skill's share of right answers in one way of scoring.

    Returns:
        None where not both models' answers to the same questions were kept.
    """
    if context.base is None or trial.last is None:
        return None
    files = (context.base.items_file, trial.last.items_file)
    theirs, ours = (_rights(context, file, skill, way) for file in files)
    if not ours or ours.keys() != theirs.keys():
        return None
    return difference(*("".join("01"[answers[key]] for key in theirs) for answers in (theirs, ours)))


def metric_change(context: Context, trial: TrialState, metric: str) -> Interval | None:
    """The same of a metric: a skill's score, a ratio to the base, or what is kept; None for others."""
    for skill in context.skills:
        name = skill["name"]
        if metric.startswith(f"{name}_") and (
            change := score_change(context, trial, name, metric.removeprefix(f"{name}_"))
        ):
            return change
    ratio = metric in ratios(context.trainable)
    if ratio and trial.last is not None and (around := trial.last.intervals.get(metric)):
        return Interval(low=around.low - 1, high=around.high - 1, n=around.n)
    return _kept(context, trial) if context.relative and metric == context.relative.name else None


def _kept(context: Context, trial: TrialState) -> Interval | None:
    # Here, so that a fault in the investigation is not every card's.
    from analysis.investigate.change import capability_change

    base, tuned = context.measured.get(None), context.measured.get(trial.number)
    change = None if tuned is None else capability_change(base, tuned)
    return change.interval if change is not None and change.paired else None


def _rights(context: Context, file: str | None, skill: str, way: str) -> dict[tuple[int, str], bool]:
    """Empty where the answers were not kept, or cannot be read."""
    try:
        return {} if file is None else rights(context.folder, file, skill, way)
    except RecordError:
        return {}
