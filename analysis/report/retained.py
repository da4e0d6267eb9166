"""What trials keep on average, with one interval wherever the report speaks of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from analysis.report.context import Context, interval
from analysis.report.statistics import Estimate, mean
from analysis.report.words import estimated
from search.record import TrialState

if TYPE_CHECKING:
    from analysis.investigate.study import Measured

ONE_RULE = (
    "Intervals of retention are Fieller's, for a ratio, over the questions, each paired with the base "
    "model's answer. For one trial it is the interval that guards and schedulers use. For the mean over "
    "several trials it also includes the differences between them, and is wide if few trials differ much: "
    "it describes the setting, not one model."
)


def one_rule(context: Context) -> tuple[str, ...]:
    """A note on the intervals of retention, where they are over questions."""
    return (ONE_RULE,) if context.skills else ()


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

    Of a single trial with the interval that was recorded with it, by which the search decided; of the
    retention of several with that of `analysis.investigate.retention`, or Student's over the trials where
    the numbers of questions are not known.
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
    from analysis.investigate.retention import retention_interval

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
