"""What every detector of a fault offers, the registry of them, and what several of them need."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

from analysis.investigate.change import Change, capability_change, unpaired_change
from analysis.investigate.kendall import holm
from analysis.investigate.results import Fault
from analysis.investigate.study import Case, Measured, Study
from trainables.registry import Registry

Detector: TypeAlias = Callable[[Study], Sequence[Fault]]

DETECTORS: Registry[Detector] = Registry("fault")
"""By the artifact class's name."""

DATA: Registry[Callable[[Study], bool]] = Registry("data of a fault")
"""Whether a study has what a detector looks at, by the class's name; the line says what that is."""

INTACT_KL, BROKEN_KL = 0.05, 0.5
"""KL to the base model and rise of the loss on general text, in nats per token: up to the first the model
is as it was, from the second on it is broken."""


def changes(study: Study, cases: Sequence[Case] | None = None) -> dict[str, tuple[Change, float]]:
    """Change from the base model and its p-value, Holm-adjusted over cases, by label, where known."""
    changed = {
        case.label: change
        for case in (study.cases if cases is None else cases)
        if (change := capability_change(study.base, case.last)) is not None
    }
    adjusted = holm([change.p for change in changed.values()])
    return {label: (change, p) for (label, change), p in zip(changed.items(), adjusted, strict=True)}


def intact(base: Measured | None, tuned: Measured) -> bool | None:
    """Whether measurements without generation say that the model is as it was; None where they do not tell.

    These are the KL to the base model, the loss on general text, and accuracy by likelihood.
    """
    shifts = [
        value
        for name in ("kl_base", "general_loss_change")
        if (value := tuned.metrics.get(name)) is not None and math.isfinite(value)
    ]
    lost = None
    if base is not None and "likelihood" in base.shares and "likelihood" in tuned.shares:
        lost = unpaired_change(base.shares["likelihood"], tuned.shares["likelihood"])
    if any(value > BROKEN_KL for value in shifts) or (lost is not None and lost.interval.high < 0):
        return False
    if (shifts or lost is not None) and all(value < INTACT_KL for value in shifts):
        return True
    return None


def at_one_level(study: Study, labels: Sequence[str]) -> str:
    """Where the cases lie on the parameter, as a clause, for example ` (5 of 5 at lr 1.0e-03)`."""
    from analysis.investigate.levels import bins

    chosen = set(labels)
    counts = [(sum(c.label in chosen for c in level.cases), level.label) for level in bins(study)]
    count, label = max(counts, key=lambda counted: counted[0])
    return f" ({count} of {len(chosen)} at {study.parameter} {label})"
