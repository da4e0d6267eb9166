"""Trials that were evaluated on fewer items than the base model, or on others."""

from __future__ import annotations

from collections import Counter

from analysis.investigate.faults.base import DATA, DETECTORS, at_one_level
from analysis.investigate.results import Fault
from analysis.investigate.study import Measured, Study
from analysis.investigate.words import cases, listed

KIND = "missing items"


@DATA.register(KIND, "numbers of items")
def can_look_for_missing(study: Study) -> bool:
    """With the number of items of the base model, or of several trials."""
    reference = study.base or _most_common(study)
    return bool(reference and reference.n) and any(case.last.n for case in study.cases)


@DETECTORS.register(KIND, "fewer items than the base model, or other items")
def missing_items(study: Study) -> list[Fault]:
    """Compares each case's items with the base model's, else with those of most cases.

    A case keeps its score where the fall from the base model would be more than half as large with every
    missing item answered rightly.
    """
    reference = study.base or _most_common(study)
    if reference is None:
        return []
    fewer: dict[str, int] = {}
    others: list[str] = []
    harmless = 0
    for case in study.cases:
        missing = _missing(reference, case.last)
        if missing is None:
            others.append(case.label)
        elif missing:
            fewer[case.label] = missing
            harmless += _falls_anyway(reference, case.last)
    faults = []
    if fewer:
        by_label = {case.label: case.last for case in study.cases}
        blamed = tuple(label for label in fewer if not _falls_anyway(reference, by_label[label]))
        sentence = (
            f"{cases(len(fewer))} answered up to {max(fewer.values())} of {reference.n or 0} items fewer "
            f"than the base model: {listed(list(fewer))}{at_one_level(study, list(fewer))}."
        )
        if harmless:
            sentence += (
                f" In {harmless} of them capability would fall even if all missing answers were right."
            )
        faults.append(Fault(KIND, study.name, blamed, True, sentence, "Evaluate them on all items."))
    if others:
        sentence = (
            f"{cases(len(others))} were evaluated on other items than the base model: {listed(others)}."
        )
        fix = "Evaluate every model on the same items."
        faults.append(Fault(KIND, study.name, tuple(others), True, sentence, fix))
    return faults


def _missing(reference: Measured, model: Measured) -> int | None:
    """Number of items that are missing; None where the items are not the same ones."""
    for key, theirs in reference.answers.items():
        mine = model.answers.get(key)
        if mine is not None and len(mine.items) == len(theirs.items) and not mine.same_items(theirs):
            return None
    if reference.bits and model.bits:
        if set(model.bits) - set(reference.bits):
            return None
        gaps = [len(text) - len(model.bits.get(skill, "")) for skill, text in reference.bits.items()]
        return None if min(gaps) < 0 else sum(gaps)
    if reference.n and model.n:
        return None if model.n > reference.n else reference.n - model.n
    return 0


def _falls_anyway(reference: Measured, model: Measured) -> bool:
    if reference.bits and model.bits:
        best = sum(
            (model.bits.get(skill, "").count("1") + len(text) - len(model.bits.get(skill, ""))) / len(text)
            for skill, text in reference.bits.items()
        ) / len(reference.bits)
    else:
        assert reference.n is not None
        assert model.n is not None
        best = (model.capability * model.n + reference.n - model.n) / reference.n
    fall = reference.capability - model.capability
    return fall > 0 and reference.capability - best > fall / 2


def _most_common(study: Study) -> Measured | None:
    sizes = Counter(case.last.n for case in study.cases)
    if not sizes:
        return None
    n = sizes.most_common(1)[0][0]
    return next(case.last for case in study.cases if case.last.n == n)
