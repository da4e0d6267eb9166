"""Conditions under which models were measured and cannot be compared."""

from __future__ import annotations

from analysis.investigate.faults.base import DATA, DETECTORS
from analysis.investigate.results import Fault
from analysis.investigate.study import Study

KIND = "no base model"


@DATA.register(KIND, "trials")
def can_look_for_base(study: Study) -> bool:
    """Always: that nothing is known of the base model is what is looked for."""
    return True


@DETECTORS.register(KIND, "the base model was not measured, or has no right answer")
def no_base_model(study: Study) -> list[Fault]:
    """Without the base model's score nobody knows what there was to lose."""
    if study.base is None:
        sentence = "The base model was not measured in the same way, so the loss is unknown."
    elif not study.base.capability > 0:
        sentence = "The base model has no right answer: there was nothing to lose."
    else:
        return []
    fix = "Measure the base model on the same items, or choose items that it can partly answer."
    return [Fault(KIND, study.name, (), False, sentence, fix, whole=True)]
