"""The variance between seeds, estimated from few of them: moderated by that of the items within each run.

Of runs that differ in their seed alone, the mean over n items varies by s^2 + e^2 / n, where s^2 is the
variance between seeds and e^2 that of seeds on single items, which (k - 1)(n - 1) degrees of freedom estimate
well even for k = 2 seeds. Their ratio kappa = 1 + n s^2 / e^2 is near 1 where seeds hardly differ by
themselves, and is taken to be the same for all candidates. It gets a prior, scaled inverse chi-squared with
few degrees of freedom, as the variances of genes do in Smyth (2004, doi:10.2202/1544-6115.1027): with SS_g
the sum of squares between the means of candidate g's k_g runs, and r_g its e^2 / n,

    kappa = (f0 kappa0 + sum SS_g / r_g) / (f0 + sum (k_g - 1)),

and the variance of a run is kappa r_g, with f0 + sum (k_g - 1) degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from search.judging.noise import Seeds, Series, combination, residual


@dataclass(frozen=True)
class Prior:
    """What kappa is before any repetition.

    Attributes:
        per_item: s^2 / e^2.
        freedom: Degrees of freedom that it counts for.
    """

    per_item: float
    freedom: float


OF_SHARES = Prior(0.01, 3.0)
"""Of 57 recorded shares over 40 to 240 items, kappa is 1.1 on average (103 degrees of freedom)."""
OF_NUMBERS = Prior(0.05, 1.0)
"""Of losses and divergences over 8 to 40 items it is 1 to 4; of other numbers it can be anything."""


def moderated(groups: Sequence[Sequence[Series]]) -> list[Seeds] | None:
    """The noise between the runs of each group about the mean of its setting.

    A group of a single run takes the mean noise of the others' items.

    Args:
        groups: Of each candidate's runs the series that are combined: the same metrics for all.

    Returns:
        None where no group has two runs with their items, or seeds change none of them.
    """
    several = [group for group in groups if len(group[0].values) > 1]
    if not several or any(not each.items for group in several for each in group):
        return None
    counts = [len(group[0].values) for group in several]
    of_items = [residual(group, smoothed=True) * k for group, k in zip(several, counts, strict=True)]
    if not all(each > 0 for each in of_items):
        return None
    prior = OF_NUMBERS if any(each.unbounded for each in several[0]) else OF_SHARES
    sizes = {(over, outcomes.shape[1]) for each in several[0] for over, outcomes in each.items}
    expected = 1 + prior.per_item * sum(n for _, n in sizes)
    freedom = prior.freedom + sum(counts) - len(counts)
    ratios = math.fsum(_squares(group) / each for group, each in zip(several, of_items, strict=True))
    kappa = max(1.0, (prior.freedom * expected + ratios) / freedom)
    common = sum(each * (k - 1) for each, k in zip(of_items, counts, strict=True)) / (
        sum(counts) - len(counts)
    )
    by_items = iter(of_items)
    return [
        Seeds(kappa * (next(by_items) if len(group[0].values) > 1 else common), freedom, moderated=True)
        for group in groups
    ]


def _squares(group: Sequence[Series]) -> float:
    values = combination(group)
    return float(((values - values.mean()) ** 2).sum())
