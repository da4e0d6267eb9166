"""Check d: does it hold on a second search?"""

from __future__ import annotations

import math

from analysis.investigate.checks.base import ALPHA, CHECKS, Context
from analysis.investigate.checks.grid import capability_trend
from analysis.investigate.kendall import bootstrap, curve_signs, holm, value_signs
from analysis.investigate.results import Check, CheckResult, Statistic
from analysis.investigate.study import Study
from analysis.investigate.words import p_text, tau_text

TITLE = "Holds on a second search"


@CHECKS.register("d", "does it hold on a second search")
def holds_on_second_search(context: Context) -> Check:
    """Passes where capability falls over the parameter in every other search too, in the same direction.

    Trials whose scores are faulty are left out of all of them.
    """
    if not context.others:
        return Check("d", TITLE, "not applicable", "There is one search only.")
    faulty = {(fault.study, case) for fault in context.faults for case in fault.cases}
    first, *others = (
        study.without({case for name, case in faulty if name == study.name})
        for study in (context.study, *context.others)
    )
    direction = capability_trend(first, 0).direction
    statistics = [_tau(study, direction) for study in others]
    adjusted = holm([math.nan if statistic.p is None else statistic.p for statistic in statistics])
    sentences, holds = [], []
    for study, statistic, p in zip(others, statistics, adjusted, strict=True):
        same = statistic.value * direction > 0
        shown = p < ALPHA
        holds.append(same and shown)
        low, high = (math.nan if bound is None else bound for bound in (statistic.low, statistic.high))
        how = f"{tau_text(statistic.value, low, high)}, {p_text(p)}, {statistic.n} trials"
        if math.isnan(statistic.value):
            sentences.append(f"{study.name}: nothing to compare.")
        elif shown:
            sentences.append(f"{study.name}: {'the same' if same else 'the opposite'} trend ({how}).")
        else:
            sentences.append(f"{study.name}: no trend is shown ({how}).")
    known = first.fingerprints.get("data")
    outcome: CheckResult = "pass" if all(holds) else "fail"
    details = tuple(
        f"{study.name} has other texts or items than {first.name}."
        for study in others
        if known is not None and study.fingerprints.get("data", known) != known
    )
    return Check("d", TITLE, outcome, " ".join(sentences), tuple(statistics), (), details)


def _tau(study: Study, direction: int) -> Statistic:
    tau = capability_trend(study, direction)
    low, high = bootstrap(value_signs(study.x), curve_signs(study.curves("capability")), study.strata)
    method = (
        "Kendall's tau-b of capability over the parameter; bootstrap over trials; permutation test of the "
        "summed differences, 80% of the level for the first search's direction, Holm-adjusted"
    )
    return Statistic(f"trend of capability in {study.name}", tau.value, method, low, high, tau.p, tau.n)
