"""Check b: are loss and capability bound to each other?"""

from __future__ import annotations

import math

from analysis.investigate.checks.base import ALPHA, CHECKS, Context
from analysis.investigate.kendall import bootstrap, curve_signs, trend
from analysis.investigate.results import Check, Statistic
from analysis.investigate.words import p_text, tau_text

TITLE = "Rank correlation of loss and capability"
LEAST = 5
"""With fewer trials no permutation test can reach the 5% level."""


@CHECKS.register("b", "rank correlation of loss and capability")
def rank_correlation(context: Context) -> Check:
    """Passes where trials of lower loss have lower capability: the interval lies above 0, and p < 0.05."""
    study = context.study
    if len(study.cases) < LEAST:
        return Check("b", TITLE, "not applicable", f"{len(study.cases)} trials are fewer than {LEAST}.")
    loss, capability = (curve_signs(study.curves(what)) for what in ("loss", "capability"))
    # Every pair counts: what binds the two may act through any parameter.
    together = [list(range(len(study.cases)))]
    tau = trend(loss, capability, together)
    if math.isnan(tau.value):
        return Check("b", TITLE, "not applicable", "Loss or capability is the same in all trials.")
    low, high = bootstrap(loss, capability, together)
    statistic = Statistic(
        "tau",
        tau.value,
        "Kendall's tau-b; percentile bootstrap over trials, two-sided permutation test",
        low,
        high,
        tau.p,
        tau.n,
    )
    how = f"{tau_text(tau.value, low, high)}, {p_text(tau.p)}, {tau.n} trials"
    if low > 0 and tau.p < ALPHA:
        return Check(
            "b", TITLE, "pass", f"The lower the loss, the lower the capability ({how}).", (statistic,)
        )
    if high < 0 and tau.p < ALPHA:
        sentence = f"The lower the loss, the higher the capability ({how}): there is no trade-off."
    else:
        sentence = f"No such correlation is shown ({how})."
    return Check("b", TITLE, "fail", sentence, (statistic,))
