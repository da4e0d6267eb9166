"""Variances of several groups of few values: each is shrunk towards that of the others, and keeps its share.

Candidates need not differ equally between seeds: one with a high learning rate may well differ more. So each
has a variance of its own, with the prior of empirical Bayes methods, as for the variances of genes in Smyth
(2004, doi:10.2202/1544-6115.1027): scaled inverse chi-squared, about what the others have in common. With
SS_g the sum of squares in group g over f_g degrees of freedom, and v0 a value from elsewhere with the weight
of f0 of them beside the others,

    common_g = (f0 v0 + sum of the others' SS) / (f0 + sum of the others' f),
    v_g = (d common_g + SS_g) / (d + f_g),

where d is f0 plus the others' degrees of freedom, but at most 2. Smyth estimates d from thousands of genes.
Two or three candidates tell nothing of it; with 2 the intervals of `benchmarks.coverage` hold the truth as
often where all are alike, and lose least where the candidate differs more between seeds than the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from search.judging.noise import ROUNDING, Array

MOST_OF_OTHERS = 2.0
"""Most degrees of freedom that all that is known beside a group's own values counts for."""


def squares_of(values: Array) -> float:
    """The sum of the squared differences from the mean; 0 where they are rounding alone."""
    squares = float(((values - values.mean()) ** 2).sum())
    return squares if math.sqrt(squares) > ROUNDING * float(abs(values).max()) else 0.0


def shrunk(
    squares: Sequence[float], freedoms: Sequence[int], elsewhere: float = 0.0, freedom: float = 0.0
) -> list[tuple[float, float]]:
    """The variance within each group, and its degrees of freedom, which are 0 where nothing tells it.

    Args:
        squares: Of each group, as of `squares_of`.
        freedoms: Of each, the values less one.
        elsewhere: A variance that is known beforehand.
        freedom: Its weight beside the others' degrees of freedom.
    """
    given = []
    for group, (square, within) in enumerate(zip(squares, freedoms, strict=True)):
        others = freedom + sum(freedoms) - within
        rest = sum(each for index, each in enumerate(squares) if index != group)
        common = (freedom * elsewhere + rest) / others if others else 0.0
        weight = min(others, MOST_OF_OTHERS)
        total = weight + within
        given.append(((weight * common + square) / total if total else 0.0, total))
    return given
