"""How trials differ from the base model: question by question, and on average."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from analysis.report.context import Context, interval
from analysis.report.items import rights
from analysis.report.statistics import Estimate, mean
from analysis.report.words import estimated
from search.errors import RecordError
from search.judging.paired import difference
from search.record import TrialState
from search.record.explained import ratios
from trainables.interval import Interval

if TYPE_CHECKING:
    from analysis.investigate.study import Measured

_ONE_RULE = (
    "Intervals of {ratio} are Fieller's, for a ratio, over the questions, each paired with the base "
    "model's answer. For one trial it is the interval that guards and schedulers use. For the mean over "
    "several trials it also includes the differences between them, and is wide if few trials differ much: "
    "it describes the setting, not one model."
)


def one_rule(context: Context) -> tuple[str, ...]:
    """A note on the intervals of the ratio to the base, where they are over questions."""
    return (_ONE_RULE.format(ratio=context.ratio),) if context.skills and context.ratio else ()


@dataclass(frozen=True)
class Kept:
    """What is kept on average.

    Attributes:
        of: What the estimate's n counts.
    """

    estimate: Estimate
    of: str

    def __str__(self) -> str:
        return estimated(self.estimate, self.of)

    def data(self) -> dict[str, Any]:
        """As plain data."""
        return self.estimate.data() | {"n_of": self.of}


def mean_kept(context: Context, trials: Sequence[TrialState]) -> Kept:
    """The mean of what the trials keep, `Context.left`, those with none left out.

    The interval is that recorded with a single trial, by which the search decided; over several,
    `analysis.investigate.retention_interval`, or Student's where the numbers of questions are unknown.
    """
    known = [trial for trial in trials if math.isfinite(context.left(trial))]
    kept = mean([context.left(trial) for trial in known])
    if len(known) == 1 and known[0].status != "diverged":
        around = interval(known[0], context.kept or "")
        if around is not None:
            estimate = Estimate(kept.value, around.low, around.high, around.n)
            return Kept(estimate, context.sample(context.kept))
    joint = _over_questions(context, known) if context.keeps_ratio else None
    if joint is None:
        return Kept(kept, "trials")
    return Kept(Estimate(kept.value, joint.low, joint.high, joint.n), context.sample(context.kept))


def _over_questions(context: Context, trials: Sequence[TrialState]) -> Any:
    # Here, so that a fault in the investigation is not every card's.
    from analysis.investigate.retention_interval import retention_interval

    base = context.measured.get(None)
    tuned = [model for trial in trials if (model := _measured(context, trial)) is not None]
    if base is None or not base.capability > 0 or not tuned or len(tuned) < len(trials):
        return None
    return retention_interval(base, tuned)


def _measured(context: Context, trial: TrialState) -> Measured | None:
    """A trial that diverged answers nothing rightly."""
    base, model = context.measured.get(None), context.measured.get(trial.number)
    if trial.status != "diverged" or base is None:
        return model
    return replace(base, capability=0.0, bits={skill: "0" * len(text) for skill, text in base.bits.items()})


def score_change(context: Context, trial: TrialState, skill: str, way: str) -> Interval | None:
    """95% interval of the change of a skill's share of right answers in one way of scoring.

    Returns:
        None where not both models' answers to the same questions were kept.
    """
    if context.base is None or trial.measured is None:
        return None
    files = (context.base.items_file, trial.measured.items_file)
    theirs, ours = (_rights(context, file, skill, way) for file in files)
    if not ours or ours.keys() != theirs.keys():
        return None
    return difference(*("".join("01"[answers[key]] for key in theirs) for answers in (theirs, ours)))


def unpaired_change(before: float, a: Interval, after: float, b: Interval) -> Interval:
    """95% interval of a change from the intervals of the two values, as if they shared no items.

    Newcombe (1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I), method 10.
    """
    below = math.hypot(after - b.low, a.high - before)
    above = math.hypot(b.high - after, before - a.low)
    return Interval(low=after - before - below, high=after - before + above, n=min(a.n, b.n))


def metric_change(context: Context, trial: TrialState, metric: str) -> Interval | None:
    """The same of a metric: a skill's score, a ratio to the base, or what is kept; None for others."""
    for skill in context.skills:
        name = skill["name"]
        if metric.startswith(f"{name}_") and (
            change := score_change(context, trial, name, metric.removeprefix(f"{name}_"))
        ):
            return change
    ratio = metric in ratios(context.trainable)
    if ratio and (around := interval(trial, metric)):
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
