"""What to do about it: where the loss is best, and which configuration keeps the capability."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from analysis.investigate.change import capability_change, pairable
from analysis.investigate.checks.grid import trends
from analysis.investigate.levels import Bin
from analysis.investigate.results import Level, Recommended
from analysis.investigate.study import Case, Study
from analysis.investigate.words import percent
from search import wording
from search.judging.grades import KEEPS
from trainables.interval import Z


def winner(study: Study, levels: Sequence[Bin], graded: Sequence[Level]) -> str:
    """What happens to capability at the level of the best mean loss, in a sentence."""
    known = [(level.loss, index) for index, level in enumerate(graded) if not math.isnan(level.loss)]
    trained = _at_full_budget(study, levels)
    if trained:
        known = [(loss, index) for loss, index in known if index in trained] or known
    if not known:
        return "No loss was measured."
    best = graded[min(known)[1]]
    where = f"The best mean loss, {wording.number(best.loss)}, is at {study.parameter} {best.label}"
    if best.grade is None:
        return f"{where}, with a mean capability of {percent(best.capability)}."
    bounds = "" if best.low is None or best.high is None else f" [{best.low:.2f}, {best.high:.2f}]"
    return f"{where}; there retention is {best.retention:.2f}{bounds}: {best.grade}."


def recommended(study: Study, faulty: Collection[str]) -> Recommended:
    """The best loss among sound trials at full budget that keep 95% of the capability.

    The trial that the search itself recommends is preferred where it is one of them: it may rest on
    repetitions with other seeds. One that these have ruled out is none.
    """
    base = study.base
    if base is None or not base.capability > 0:
        return Recommended(None, {}, "None: without a base model, retention is unknown.")
    usable = [
        case
        for case in study.cases
        if case.ended == "completed" and case.label not in faulty and math.isfinite(case.last.loss)
    ]
    kept = [
        case
        for case in usable
        if case.last.capability >= KEEPS * base.capability and case.label not in study.ruled_out
    ]
    if not kept:
        sentence = (
            f"None: of {len(usable)} sound trials at full budget, none keeps {KEEPS:.0%} of the capability."
        )
        return Recommended(None, {}, sentence)
    best = min(kept, key=lambda case: (case.label != study.preferred, case.last.loss))
    of = f"{len(kept)} of {len(usable)} sound trials at full budget that keep {KEEPS:.0%} of the capability"
    how = "the search's own choice among" if best.label == study.preferred else "best loss of"
    return Recommended(best.label, dict(best.params), f"{_described(study, best)}: {how} the {of}.")


def _described(study: Study, case: Case) -> str:
    assert study.base is not None
    values = ", ".join(f"{name} {_scalar(value)}" for name, value in case.params.items())
    retention = case.last.capability / study.base.capability
    text = f"{case.label} ({values}), loss {wording.number(case.last.loss)}, retention {retention:.2f}"
    change = capability_change(study.base, case.last)
    if change is not None and change.interval.low < -(1 - KEEPS) * study.base.capability:
        text += " (its interval reaches below 0.95)"
    return text


def _scalar(value: object) -> str:
    return (
        wording.scalar(value) if isinstance(value, bool | int | float | str) or value is None else str(value)
    )


def _at_full_budget(study: Study, levels: Sequence[Bin]) -> set[int]:
    """Levels with trials trained to the end: a loss after fewer steps cannot be compared with theirs."""
    if not study.budget:
        return set()
    return {
        index
        for index, level in enumerate(levels)
        if any(case.last.step is not None and case.last.step >= study.budget for case in level.cases)
    }


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
    if len(study.cases) >= trials_for(LEAST_TAU):
        return None  # a stronger trend needs fewer
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
