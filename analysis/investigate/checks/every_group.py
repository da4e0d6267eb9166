"""Check c: does the fall hold at every rank?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.investigate.change import Change, capability_change
from analysis.investigate.checks.base import ALPHA, CHECKS, Context
from analysis.investigate.checks.grid import breaking_end
from analysis.investigate.kendall import curve_differences, holm, value_signs
from analysis.investigate.levels import groups_of
from analysis.investigate.resampling import Scores
from analysis.investigate.results import Check, Statistic
from analysis.investigate.study import Study
from analysis.investigate.words import p_text, points, points_interval
from search import wording


@dataclass(frozen=True)
class _Group:
    label: str
    falls: int  # -1 rises, 0 neither, 1 falls, towards the breaking end
    change: Change | None


@CHECKS.register("c", "does it hold at every rank")
def holds_in_every_group(context: Context) -> Check:
    """Passes where no group contradicts the fall, and the groups together could hardly agree by chance.

    Two ways lead there: in every group with trials at that end the change from the base model lies below
    0, Holm-adjusted; or the trend within a group points down in so many groups that an exact binomial test
    against 1/2 is below 5%. The second does not rest on the base model, whose luck with the items all
    groups share.
    """
    study = context.study
    title = f"Holds at every {study.group or 'rank'}"
    groups = groups_of(study)
    end = breaking_end(study)
    if study.group is None or len(groups) < 2:
        return Check("c", title, "not applicable", "There are no groups to compare.")
    if end is None:
        return Check("c", title, "fail", "Capability falls in neither direction of the parameter.")
    moves = value_signs(study.x) * curve_differences(study.curves("capability"))
    trends = [_group(study, group, {case.label for case in end.cases}, moves) for group in groups]
    adjusted = holm([trend.change.p if trend.change else float("nan") for trend in trends])
    below = [
        p < ALPHA and trend.change is not None and trend.change.value < 0
        for trend, p in zip(trends, adjusted, strict=True)
    ]
    against = [trend for trend in trends if trend.change is not None and trend.change.interval.low > 0]
    falling, moving = sum(g.falls > 0 for g in trends), sum(g.falls != 0 for g in trends)
    sign_p = binomial_p(falling, moving)
    there = sum(trend.change is not None for trend in trends)
    everywhere = there >= 2 and sum(below) == there and all(trend.falls >= 0 for trend in trends)
    passes = not against and (everywhere or (sign_p < ALPHA and 2 * falling > moving))
    sentence = (
        f"Towards {study.parameter} {end.label} capability falls in {falling} of {len(trends)} values of "
        f"{study.group} ({p_text(sign_p)} by exact binomial test)"
    )
    if there:
        sentence += f"; there it is significantly below the base model's in {sum(below)} of {there}"
    statistics = (
        Statistic(
            "groups that fall", falling, "two-sided exact binomial test against 1/2", p=sign_p, n=moving
        ),
        *(_statistic(trend, p) for trend, p in zip(trends, adjusted, strict=True) if trend.change),
    )
    details = tuple(_detail(trend) for trend in trends if trend.change)
    return Check("c", title, "pass" if passes else "fail", sentence + ".", statistics, (), details)


def binomial_p(successes: int, n: int) -> float:
    """Two-sided exact p-value against 1/2; NaN for no observation."""
    if n == 0:
        return float("nan")
    tail = sum(math.comb(n, k) for k in range(max(successes, n - successes), n + 1)) / 2**n
    return float(min(1.0, 2 * tail))


def _group(study: Study, group: float | str | None, at_end: set[str], moves: Scores) -> _Group:
    rows = [index for index, case in enumerate(study.cases) if case.group == group]
    square = np.ix_(rows, rows)
    falls = int(np.sign(np.sum(moves[square])) * np.sign(np.sum(moves)))
    changes = [
        change
        for case in (study.cases[index] for index in rows)
        if case.label in at_end and (change := capability_change(study.base, case.last)) is not None
    ]
    # Of several trials the least fall: the group holds only if all of them do.
    worst = max(changes, key=lambda change: change.interval.high, default=None)
    return _Group(f"{study.group} {wording.scalar(group)}", falls, worst)


def _statistic(group: _Group, p: float) -> Statistic:
    change = group.change
    assert change is not None
    how = "paired by item" if change.paired else "unpaired"
    return Statistic(
        f"change from the base model at {group.label}",
        change.value,
        f"difference of shares, {how}, Holm-adjusted over groups",
        change.interval.low,
        change.interval.high,
        p,
        change.interval.n,
    )


def _detail(group: _Group) -> str:
    assert group.change is not None
    return f"{group.label}: {points(group.change.value)} {points_interval(group.change.interval)}"
