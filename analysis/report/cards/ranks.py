"""Does it hold at every rank: one line per rank over the learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from analysis.report.base_comparison import Kept, mean_kept
from analysis.report.card import Findings, card
from analysis.report.chart import Axis, Plot, Rule, Table, XYChart
from analysis.report.context import Context, base_value, value
from analysis.report.groups import Group, by, by_lr, line
from analysis.report.look import BASE
from analysis.report.statistics import Estimate, mean
from analysis.report.words import JUDGED, bracketed, estimated, none_has_score, room
from search import wording
from search.errors import TightropeError
from search.record import TrialState

_MOST_RANKS = 10
_DIFFERENCES = (
    " The interval of a difference is combined from those of its two ends (MOVER: Zou and Donner, 2008, "
    "doi:10.1002/sim.3095)."
)
_APART = 2
"""Learning rates within this factor of each other are no comparison of a low one with a high one."""


@card(
    "ranks",
    "Every rank by itself",
    50,
    read=(
        "One line for each rank, the size of the {artifact}. If all lines fall in the same way, the learning "
        "rate is the cause at every rank."
    ),
)
class Ranks:
    """Loss and capability over the learning rate, for each rank."""

    def applies(self, context: Context) -> str | None:
        """With learning rates and ranks that vary."""
        missing = [name for name in ("lr", "rank") if name not in context.parameters]
        if missing:
            return f"Not searched: {' and '.join(missing)}."
        if not context.judged:
            return "No trial has reached the full budget or broken before it."
        return None

    def compute(self, context: Context) -> Findings:
        """A line per rank; and in how many ranks more lr goes with less kept."""
        ranks = by(context.judged, "rank", most=_MOST_RANKS, every=context.parameters["rank"])
        metrics = dict.fromkeys([*context.compared, context.loss])
        plots = tuple(plot for name in metrics if (plot := _plot(context, ranks, name)) is not None)
        falls = [] if context.kept is None else [fall for rank in ranks if (fall := _fall(context, rank))]
        searched = by(context.trials, "rank", most=_MOST_RANKS, every=context.parameters["rank"])
        left_out = _left_out(searched, ranks, falls)
        holds = bool(falls) and not left_out and all(fall.surely for fall in falls) and _passes(context)
        return Findings(
            data={
                "ranks": {fall.rank: fall.data() for fall in falls},
                "falling": sum(f.change < 0 for f in falls),
                "searched": [rank.label for rank in searched],
                "left_out": left_out,
                "holds_at_every_rank": holds,
            },
            texts=(_sentence(context, falls, len(searched), left_out, holds),),
            notes=(
                JUDGED,
                "If a learning rate was tried more than once at a rank, the plot shows the mean."
                + (_DIFFERENCES if falls else ""),
            ),
            plots=plots,
            tables=(_table(context, falls),) if falls else (),
        )


@dataclass(frozen=True)
class _Fall:
    """What a rank keeps at the highest learning rate tried at it, beside the lowest.

    Attributes:
        ratio: Of the highest learning rate to the lowest.
    """

    rank: str
    lowest: str
    highest: str
    before: Estimate
    after: Estimate
    ratio: float

    @property
    def change(self) -> float:
        return self.after.value - self.before.value

    @property
    def interval(self) -> tuple[float, float] | None:
        """Around the change; None where an end has none."""
        a, b = self.before, self.after
        if a.low is None or a.high is None or b.low is None or b.high is None:
            return None
        below = math.hypot(b.value - b.low, a.high - a.value)
        above = math.hypot(b.high - b.value, a.value - a.low)
        return self.change - below, self.change + above

    @property
    def surely(self) -> bool:
        """Whether less is kept at the highest, beyond the interval."""
        return self.interval is not None and self.interval[1] < 0

    def data(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "lr": [self.lowest, self.highest],
            "before": self.before.data(),
            "after": self.after.data(),
            "change": self.change,
            "interval": self.interval,
        }


def _fall(context: Context, rank: Group) -> _Fall | None:
    """None for a rank that was measured at one learning rate only."""
    trials = [trial for trial in rank.trials if math.isfinite(context.left(trial))]
    groups = by_lr(trials, context.trials)
    if len(groups) < 2:
        return None
    ends = groups[0], groups[-1]
    before, after = (mean_kept(context, group.trials).estimate for group in ends)
    low, high = (group.centre for group in ends)
    ratio = high / low if low > 0 else math.inf
    return _Fall(rank.label, ends[0].label, ends[1].label, before, after, ratio)


def _left_out(searched: list[Group], ranks: list[Group], falls: list[_Fall]) -> dict[str, str]:
    """Ranks that say little or nothing about the learning rate, and why."""
    measured, compared = {rank.label for rank in ranks}, {fall.rank: fall for fall in falls}
    left_out = {}
    for label in (rank.label for rank in searched):
        if label not in measured:
            left_out[label] = "has no trial that counts"
        elif label not in compared:
            left_out[label] = "was measured at one learning rate only"
        elif compared[label].ratio < _APART:
            ends = f"{compared[label].lowest} and {compared[label].highest}"
            left_out[label] = f"was measured only at {ends}, which are close together"
    return left_out


def _passes(context: Context) -> bool:
    """Whether the investigation's check that it holds at every rank passes."""
    # Here, so that a fault in it is not every card's.
    from analysis.investigate.checks import CHECKS
    from analysis.investigate.checks import Context as Checked

    try:
        return CHECKS["c"](Checked(context.study)).outcome == "pass"
    except (TightropeError, OSError, ValueError):
        return False


def _sentence(
    context: Context, falls: list[_Fall], searched: int, left_out: dict[str, str], holds: bool
) -> str:
    if context.kept is None:
        return f"{none_has_score(context)} The lines show {context.loss} alone."
    if not falls:
        return (
            "No rank was measured at two learning rates, so the data do not show whether it holds at every "
            "rank."
        )
    falling, sure = sum(fall.change < 0 for fall in falls), sum(fall.surely for fall in falls)
    text = (
        f"In {falling} of {wording.plural(searched, 'rank')} {context.kept} is lower at the highest "
        f"learning rate than at the lowest; in {sure} of them the 95% interval of the difference excludes 0."
    )
    if left_out:
        return " ".join([text, *(f"Rank {label} {why}." for label, why in left_out.items())])
    if holds:
        return f"{text} It holds at every rank."
    if sure == len(falls):
        text += " Check (c) of the investigation, over all learning rates and ranks together, does not pass."
    return text


def _own(context: Context, name: str, trial: TrialState) -> float:
    return context.left(trial) if name == context.kept else value(trial, name)


def _mean(context: Context, name: str, group: Group) -> Kept:
    if name == context.kept:
        return mean_kept(context, group.trials)
    return Kept(mean([value(trial, name) for trial in group.trials]), "trials")


def _plot(context: Context, ranks: list[Group], name: str) -> Plot | None:
    series, rows = [], []
    for index, rank in enumerate(ranks):
        trials = [t for t in rank.trials if math.isfinite(_own(context, name, t))]
        if name == context.loss:
            # A loss from an early rung is no loss of the full budget.
            trials = [trial for trial in trials if trial.status == "completed"]
        groups = by_lr(trials, context.trials)
        if not groups:
            continue
        means = [_mean(context, name, group) for group in groups]
        estimates, texts = [mean.estimate for mean in means], [str(mean) for mean in means]
        series.append(line(f"rank {rank.label}", groups, estimates, texts, index))
        rows += [(rank.label, g.label, text) for g, text in zip(groups, texts, strict=True)]
    if not series:
        return None
    base = base_value(context, name)
    rules = () if math.isnan(base) else (Rule("base model", base, "y", BASE),)
    low, high = room(
        [base, *(float(value) for each in series for value in each.y if isinstance(value, float))]
    )
    chart = XYChart(Axis("learning rate", "log"), Axis(name, low=low, high=high), tuple(series), rules)
    table = Table(
        ("rank", "learning rate", f"mean {name}"), tuple(rows), f"{name} by rank and learning rate."
    )
    title = f"{name} over the learning rate, one line per rank"
    return Plot(f"rank-lines-{name}", title, f"{title}: {len(series)} lines.", (chart,), table=table)


def _table(context: Context, falls: list[_Fall]) -> Table:
    rows = tuple(
        (
            fall.rank,
            f"{fall.lowest} / {fall.highest}",
            estimated(fall.before),
            estimated(fall.after),
            bracketed(fall.change, fall.interval),
        )
        for fall in falls
    )
    columns = ("rank", "learning rates", "at the lowest", "at the highest", "difference")
    return Table(columns, rows, f"{context.kept} at the ends of the learning rate, rank by rank.")
