"""What each hypothesis of a search will rest on, and the smallest difference that could decide it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist

from search.claims import Claim, Quantity, parse_claim
from search.config.schema import SearchConfig
from search.judging.contrasts import POWER
from search.judging.hypotheses import ALPHA
from trainables.trainable import MetricSpec

_TRIALS = {
    "recommended": "the recommended configuration",
    "front": "trials on the Pareto front",
    "all": "all trials",
}


@dataclass(frozen=True)
class PlannedHypothesis:
    """A hypothesis before anything is measured.

    Attributes:
        over: "recommended", "front" or "all".
        items: By quantity the items that it will be over, where they are known.
        least: The smallest difference that would probably decide it: of shares near one half over different
            items, or their ratios to the base model's, at the strictest level of Holm's procedure, without
            noise between seeds. None where that is not known, as of losses.
    """

    name: str
    claim: str
    over: str
    items: Mapping[str, int]
    least: float | None


def planned_hypotheses(config: SearchConfig, items: Mapping[str, int]) -> tuple[PlannedHypothesis, ...]:
    """The hypotheses of a search, in their order.

    Args:
        config: The search.
        items: How many there are, as in `TrainablePlan.items`.
    """
    measured = {metric.name: metric for metric in config.metrics}
    measured |= {metric.relative: metric for metric in config.metrics if metric.relative is not None}
    sizes = {name: size for name, metric in measured.items() if (size := size_of(metric, items))}
    planned = []
    for name, hypothesis in config.hypotheses.items():
        claim = parse_claim(hypothesis.claim)
        over = hypothesis.scope(any(quantity.filters for quantity in claim.quantities))
        counts = {str(each): sizes[each.metric] for each in claim.quantities if each.metric in sizes}
        least = _least(claim, counts, measured, len(config.hypotheses))
        planned.append(PlannedHypothesis(name, hypothesis.claim, over, counts, least))
    return tuple(planned)


def hypothesis_lines(planned: PlannedHypothesis) -> Iterator[str]:
    """What a plan says of a hypothesis."""
    yield f"{planned.name}: {planned.claim}, over {_TRIALS[planned.over]}"
    if not planned.items:
        return
    counts = ", ".join(f"{name} n={count}" for name, count in planned.items.items())
    if planned.least is None:
        yield f"  {counts}"
        return
    yield (
        f"  {counts}; decides a difference of {planned.least:.2f} with a probability of {POWER:.0%} (of "
        "shares near one half that are not paired, or ratios of them, without noise between seeds)"
    )


def size_of(metric: MetricSpec, items: Mapping[str, int]) -> int:
    """Items of a metric; of a mean of several shares as many as would be as precise in one. 0: not known."""
    counts = [items.get(name, 0) for name in metric.items or (metric.name,)]
    return round(len(counts) ** 2 / sum(1 / count for count in counts)) if all(counts) else 0


def _least(
    claim: Claim, counts: Mapping[str, int], measured: Mapping[str, MetricSpec], family: int
) -> float | None:
    """(z(1 - alpha / 2m) + z(power)) sqrt(sum of c^2 v), for m hypotheses and coefficients c.

    The variance v of a share is 1 / 4n, and of a ratio of two 2 / n (delta method).
    """

    def is_share(quantity: Quantity) -> bool:
        metric = measured.get(quantity.metric)
        return (
            metric is not None
            and (metric.low, metric.high) == (0.0, 1.0)
            and counts.get(str(quantity), 0) > 0
        )

    if not all(map(is_share, claim.quantities)):
        return None
    variance = math.fsum(
        c**2 * (0.25 if measured[each.metric].name == each.metric else 2.0) / counts[str(each)]
        for each, c in claim.difference.terms.items()
    )
    normal = NormalDist()
    return (normal.inv_cdf(1 - ALPHA / (2 * family)) + normal.inv_cdf(POWER)) * math.sqrt(variance)
