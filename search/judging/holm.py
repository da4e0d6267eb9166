"""Several hypotheses at once: Holm's adjustment of p-values, and the level at which each is decided."""

from __future__ import annotations

from collections.abc import Sequence


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given: those up to 0.05 are rejected with 5% family-wise error.

    With m p-values in ascending order, p*_k is the largest of (m - j + 1) p_j over j <= k, at most 1 (Holm,
    1979, Scandinavian Journal of Statistics 6:65-70, https://www.jstor.org/stable/4615733).
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    result, largest = [1.0] * len(p_values), 0.0
    for place, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - place) * p_values[index]))
        result[index] = largest
    return result


def levels(p_values: Sequence[float], alpha: float = 0.05) -> list[float]:
    """The level at which Holm's procedure decides each, in the order given.

    The k-th smallest is compared with alpha / (m - k + 1). All from the first that is not rejected on share
    its level: an interval at 1 minus this level holds 0 exactly where the hypothesis is not rejected.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    result, stopped = [alpha] * len(p_values), 0.0
    for place, index in enumerate(order):
        level = stopped or alpha / (len(order) - place)
        if not stopped and p_values[index] > level:
            stopped = level
        result[index] = level
    return result
