"""What it would take to decide: trials for a trend, items for a fall."""

from __future__ import annotations

import math

from analysis.investigate.change import pairable
from analysis.investigate.checks.grid import trends
from analysis.investigate.study import Study
from analysis.investigate.words import percent
from search import wording
from trainables.interval import Z

POWER_Z = 0.8416212335729143
"""80% quantile of the normal distribution."""
LEAST_TAU = 0.3
"""A weaker trend is not worth the trials that it would take."""
FALL = 0.15
"""The fall that matters, relative to the base model: beyond a slight loss."""
DISCORDANT = 0.2
"""Share of items whose outcome changes, where it is not known."""


def needed(study: Study) -> tuple[str, ...]:
    """Sentences for an undecided case: trials and items for a power of 80% at the 5% level."""
    return tuple(text for text in (_trials(study), _items(study)) if text)


def trials_for(tau: float) -> int:
    """Trials with which a trend of this size is found with a power of 80%.

    The least n with |tau| >= (z_0.975 + z_0.8) sqrt(2 (2n + 5) / (9 n (n - 1))), the right side being the
    standard error of Kendall's tau without a trend (Kendall, 1938, doi:10.1093/biomet/30.1-2.81).
    """
    n = 5
    while abs(tau) < (Z + POWER_Z) * math.sqrt(2 * (2 * n + 5) / (9 * n * (n - 1))):
        n += 1
    return n


def items_for(fall: float, discordant: float) -> int:
    """Paired items with which a fall of a share is found with a power of 80%.

    ((z_0.975 sqrt(d) + z_0.8 sqrt(d - fall^2)) / fall)^2, with d the share of items that change (Connor,
    1987, doi:10.2307/2531961).
    """
    discordant = max(discordant, fall)
    root = Z * math.sqrt(discordant) + POWER_Z * math.sqrt(max(0.0, discordant - fall**2))
    return math.ceil((root / fall) ** 2)


def _trials(study: Study) -> str | None:
    if not study.cases:
        return "At least five trials are needed."
    _, capability = trends(study)
    tau = 0.0 if math.isnan(capability.value) else abs(capability.value)
    assumed = max(LEAST_TAU, tau)
    n = trials_for(assumed)
    have = len(study.cases)
    name = "the trend measured" if tau >= LEAST_TAU else f"a trend of tau {LEAST_TAU}"
    if n <= have:
        return None
    return f"For {name} about {wording.plural(n, 'trial')} are needed; there are {have}."


def _items(study: Study) -> str | None:
    base = study.base
    if base is None or not base.capability > 0 or not base.n:
        return None
    fall = FALL * base.capability
    changed = [
        sum(a != b for skill in base.bits for a, b in zip(base.bits[skill], model.bits[skill], strict=True))
        / sum(map(len, base.bits.values()))
        for model in (case.last for case in study.cases)
        if pairable(base.bits, model.bits)
    ]
    n = items_for(fall, sum(changed) / len(changed) if changed else DISCORDANT)
    if n <= base.n:
        return None
    return (
        f"For one trial to show a fall to {percent(1 - FALL)} of the base model's capability about "
        f"{wording.plural(n, 'item')} are needed; there are {base.n}."
    )
