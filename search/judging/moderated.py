"""The variance between seeds, estimated from few of them: moderated by that of the items within each run.

Of runs that differ in their seed alone, the mean over n items varies by s^2 + e^2 / n, where s^2 is the
variance between seeds and e^2 that of seeds on single items, which (k - 1)(n - 1) degrees of freedom estimate
well even for k = 2 seeds. Their ratio kappa = 1 + n s^2 / e^2 is near 1 where seeds hardly differ by
themselves. With SS_g the sum of squares between the means of candidate g's k_g runs, and r_g its e^2 / n,
SS_g / r_g are sums of squares of variance kappa_g, with k_g - 1 degrees of freedom. Each kappa_g is shrunk
towards that of the others and a prior (`search.judging.shrunk`), and the variance of a run is kappa_g r_g.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from search.judging.noise import Seeds, Series, combination, residual
from search.judging.shrunk import shrunk, squares_of


@dataclass(frozen=True)
class Prior:
    """What kappa is before any repetition.

    Attributes:
        per_item: s^2 / e^2.
        freedom: Its weight beside the others' degrees of freedom. Together with them, and alone, it counts
            for no more than `search.judging.shrunk.MOST_OF_OTHERS` of them.
    """

    per_item: float
    freedom: float


OF_SHARES = Prior(0.01, 3.0)
"""Of 57 recorded shares over 40 to 240 items, kappa is 1.1 on average (103 degrees of freedom)."""
OF_NUMBERS = Prior(0.05, 1.0)
"""Of losses and divergences over 8 to 40 items it is 1 to 4; of other numbers it can be anything."""


def moderated(groups: Sequence[Sequence[Series]]) -> list[Seeds] | None:
    """The noise between the runs of each group about the mean of its setting.

    A group of a single run, or whose runs agree exactly in every item, takes the mean noise of the others'
    items.

    Args:
        groups: Of each candidate's runs the series that are combined: the same metrics for all.

    Returns:
        None where no group has two runs with their items, seeds change none of them, or those of a group
        change them all alike.
    """
    several = [group for group in groups if len(group[0].values) > 1]
    if not several or any(not each.items for group in several for each in group):
        return None
    counts = [len(group[0].values) for group in groups]
    of_items = [residual(group, smoothed=True) * k for group, k in zip(groups, counts, strict=True)]
    freedoms = [k - 1 if each > 0 else 0 for each, k in zip(of_items, counts, strict=True)]
    squares = [squares_of(combination(group)) for group in groups]
    if not any(freedoms) or any(each and not f for each, f in zip(squares, freedoms, strict=True)):
        return None
    common = math.fsum(each * f for each, f in zip(of_items, freedoms, strict=True) if f) / sum(freedoms)
    prior = OF_NUMBERS if any(each.unbounded for group in several for each in group) else OF_SHARES
    sizes = {(over, outcomes.shape[1]) for each in several[0] for over, outcomes in each.items}
    kappas = shrunk(
        [each / of if f else 0.0 for each, of, f in zip(squares, of_items, freedoms, strict=True)],
        freedoms,
        1 + prior.per_item * sum(n for _, n in sizes),
        prior.freedom,
    )
    in_all = prior.freedom + sum(freedoms)
    return [
        Seeds(max(1.0, kappa) * (of := each if f else common), freedom, in_all, True, of)
        for (kappa, freedom), each, f in zip(kappas, of_items, freedoms, strict=True)
    ]
