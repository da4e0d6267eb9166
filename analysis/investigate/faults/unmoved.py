"""Scores that move although the weights do not."""

from __future__ import annotations

import math

from analysis.investigate.checks.base import ALPHA
from analysis.investigate.faults.base import DATA, DETECTORS, at_one_level, changes
from analysis.investigate.results import Fault
from analysis.investigate.study import Measured, Study
from analysis.investigate.words import cases, listed

KIND = "scores move without the weights"
STILL = 1e-4
"""Nats per token of KL or of loss that are no movement: rounding reaches as far."""


@DATA.register(KIND, "KL to the base model or losses on held-out text, and numbers of items")
def can_look_for_movement(study: Study) -> bool:
    """With KL or held-out losses, and the change of capability, of any trial."""
    known = [case for case in study.cases if _shifts(study.base, case.last)]
    return bool(changes(study, known))


@DETECTORS.register(KIND, "only capability differs from the base model's")
def unmoved_weights(study: Study) -> list[Fault]:
    """Cases that are the base model by every loss, and are not by capability (Holm-adjusted over cases).

    Unmoved: the KL to the base model, and the changes of the losses on held-out and on general text, as
    far as they were measured, are all below 1e-4 nats per token.
    """
    still = [case for case in study.cases if _still(study.base, case.last)]
    moved = changes(study, still)
    labels = tuple(case.label for case in still if moved.get(case.label, (None, 1.0))[1] < ALPHA)
    if not labels:
        return []
    sentence = (
        f"{cases(len(labels))} differ from the base model in capability but in no loss: "
        f"{listed(labels)}{at_one_level(study, labels)}. Their adapters had no effect, so the evaluation "
        "differed."
    )
    fix = "Evaluate the base model again in the same way, and check that adapters are loaded."
    return [Fault(KIND, study.name, labels, True, sentence, fix)]


def _still(base: Measured | None, tuned: Measured) -> bool:
    shifts = _shifts(base, tuned)
    return bool(shifts) and all(math.isfinite(shift) and shift < STILL for shift in shifts)


def _shifts(base: Measured | None, tuned: Measured) -> list[float]:
    """The KL to the base model, and by how much losses differ from its own, as far as they are known."""
    if base is None:
        return []
    shifts = [tuned.metrics["kl_base"]] if "kl_base" in tuned.metrics else []
    for name in ("heldout_loss", "general_loss"):
        if name in tuned.metrics and name in base.metrics:
            shifts.append(abs(tuned.metrics[name] - base.metrics[name]))
    return shifts
