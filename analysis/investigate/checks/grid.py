"""Check a: do loss and capability move with the parameter?"""

from __future__ import annotations

import math

import numpy as np

from analysis.investigate.change import Change, pooled_change
from analysis.investigate.checks.base import ALPHA, CHECKS, Context
from analysis.investigate.kendall import Tau, curve_differences, curve_signs, trend, value_signs
from analysis.investigate.levels import Bin, bins, table
from analysis.investigate.results import Check, Statistic
from analysis.investigate.study import Measured, Study
from analysis.investigate.words import p_text, points, points_interval, tau_text
from search.judging.grades import KEEPS

_METHODS = {
    "loss": "Kendall's tau-b{where}; two-sided permutation test of its numerator (Jonckheere, Terpstra)",
    "capability": "Kendall's tau-b{where}; permutation test of the summed differences{favoured}",
}


@CHECKS.register("a", "effect over the grid: do loss and capability change with the parameter")
def effect_over_the_grid(context: Context) -> Check:
    """Passes where capability has a trend, and its lower end lies below the base model beyond noise."""
    study = context.study
    key, title = "a", f"Effect over {study.parameter}"
    if len({case.x for case in study.cases}) < 2:
        return Check(key, title, "not applicable", f"All trials have one value of {study.parameter}.")
    loss, capability = trends(study)
    levels = bins(study)
    statistics: tuple[Statistic, ...] = (
        _statistic(study, "loss", loss, 0),
        _statistic(study, "capability", capability, favoured_by(loss)),
    )
    tables = (table(study, levels, "loss"), table(study, levels, "capability"))
    falls = capability.p < ALPHA
    sentence = f"{_said(study, capability, 'Capability')} {_said(study, loss, 'Loss')}"
    if falls and study.base is not None:
        # Without a base model the other end is what there is to compare with.
        end = levels[-1] if capability.direction < 0 else levels[0]
        change = pooled_change(study.base, [case.last for case in end.cases])
        statistics += (_change_statistic(study, end, change),) if change else ()
        nothing = _nothing_lost(study.base, end, change)
        falls = not nothing
        sentence += nothing
    if falls and loss.p < ALPHA:
        together = loss.direction == capability.direction
        sentence += (
            " Loss and capability fall together: a better loss costs capability."
            if together
            else " Capability is lower where the loss is worse: there is no trade-off between them."
        )
    return Check(key, title, "pass" if falls else "fail", sentence, statistics, tables)


def trends(study: Study) -> tuple[Tau, Tau]:
    """Trend of loss and of capability over the parameter.

    Where the loss has a trend, 80% of the level of the test of capability goes to its direction: the question
    is whether capability falls where the loss does. The verdict rests on the second test only, so that
    nothing is to be adjusted for there being two.
    """
    loss = trend(value_signs(study.x), curve_signs(study.curves("loss")), study.strata)
    return loss, capability_trend(study, favoured_by(loss))


def favoured_by(loss: Tau) -> int:
    """The direction in which capability is expected to move: the loss's, where it has one."""
    return loss.direction if loss.p < ALPHA else 0


def capability_trend(study: Study, favoured: int) -> Tau:
    """Trend of capability over the parameter; `favoured` as in `trend`."""
    curves = study.curves("capability")
    x, y = value_signs(study.x), curve_signs(curves)
    return trend(x, y, study.strata, curve_differences(curves), favoured)


def breaking_end(study: Study) -> Bin | None:
    """The level at the end of the parameter towards which capability falls; None where there is no trend."""
    levels = bins(study)
    if len(levels) < 2:
        return None
    total = float(np.sum(value_signs(study.x) * curve_differences(study.curves("capability"))))
    return None if total == 0 else levels[-1] if total < 0 else levels[0]


def _nothing_lost(base: Measured, end: Bin, change: Change | None) -> str:
    """Why the lower end's trials are not shown to lie below the base model; empty where they are.

    They are where the interval of their mean change lies below 0; where the noise of the items is not known,
    where more than 5% of the capability is lost.
    """
    mean = end.mean("capability")
    if mean >= base.capability:
        return " At its lower end capability is not below the base model's: nothing was lost."
    if change is None:
        if mean < KEEPS * base.capability:
            return ""
        return (
            f" At its lower end no more than {1 - KEEPS:.0%} of the base model's capability is lost, and the "
            "number of items is not known: no loss is shown."
        )
    if change.interval.high < 0:
        return ""
    return (
        f" At its lower end capability is not significantly below the base model's ({points(change.value)} "
        f"{points_interval(change.interval)}): no loss is shown."
    )


def _change_statistic(study: Study, end: Bin, change: Change) -> Statistic:
    how = "paired by item" if change.paired else "unpaired"
    return Statistic(
        f"change from the base model at {study.parameter} {end.label}",
        change.value,
        f"mean difference of shares over trials, {how}",
        change.interval.low,
        change.interval.high,
        change.p,
        change.interval.n,
    )


def _statistic(study: Study, name: str, tau: Tau, favoured: int) -> Statistic:
    where = f" within {study.group}" if len(study.strata) > 1 else ""
    sides = ", 80% of the level for the direction of the loss" if favoured else ", two-sided"
    method = _METHODS[name].format(where=where, favoured=sides)
    return Statistic(f"trend of {name}", tau.value, method, p=tau.p, n=tau.n)


def _said(study: Study, tau: Tau, name: str) -> str:
    if math.isnan(tau.value):
        return f"{name} is the same in all trials, or was not measured."
    direction = "falls" if tau.direction < 0 else "rises"
    how = f"{tau_text(tau.value)}, {p_text(tau.p)}, {tau.n} trials"
    if tau.p < ALPHA:
        return f"{name} {direction} as {study.parameter} rises ({how})."
    return f"No trend of {name.lower()} over {study.parameter} is shown ({how})."
