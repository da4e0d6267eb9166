"""One configuration with one seed, and two scores."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

from analysis.investigate.change import capability_change
from analysis.investigate.checks.base import ALPHA
from analysis.investigate.faults.base import DATA, DETECTORS
from analysis.investigate.kendall import holm
from analysis.investigate.results import Fault
from analysis.investigate.study import Case, Study
from analysis.investigate.words import cases, listed

KIND = "irreproducible scores"


@DATA.register(KIND, "trials of equal parameters and seed")
def can_look_for_differences(study: Study) -> bool:
    """With two trials of equal parameters and seed whose scores can be compared."""
    return any(capability_change(first.last, other.last) is not None for first, other in _pairs(study))


@DETECTORS.register(KIND, "trials of equal parameters and seed whose scores differ by more than noise")
def irreproducible_scores(study: Study) -> list[Fault]:
    """Pairs of equal parameters and seed at the same step that differ, Holm-adjusted over pairs."""
    pairs = _pairs(study)
    differences = [capability_change(first.last, other.last) for first, other in pairs]
    adjusted = holm([float("nan") if change is None else change.p for change in differences])
    labels = tuple(
        dict.fromkeys(
            case.label for pair, p in zip(pairs, adjusted, strict=True) if p < ALPHA for case in pair
        )
    )
    if not labels:
        return []
    sentence = f"{cases(len(labels))} of equal parameters and seed have different scores: {listed(labels)}."
    return [Fault(KIND, study.name, labels, True, sentence, "Find out what else differed between them.")]


def _pairs(study: Study) -> list[tuple[Case, Case]]:
    equal: dict[tuple[object, ...], list[Case]] = defaultdict(list)
    for case in study.cases:
        if "seed" in case.settings:
            equal[(case.last.step, *sorted(map(repr, case.settings.items())))].append(case)
    return [pair for cases in equal.values() for pair in combinations(cases, 2)]
