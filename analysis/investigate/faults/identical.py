"""Different models with the same outcome on every item: an evaluation that did not load the adapter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable

from analysis.investigate.faults.base import DATA, DETECTORS, at_one_level
from analysis.investigate.results import Fault
from analysis.investigate.study import Case, Measured, Study
from analysis.investigate.words import cases, listed

KIND = "identical outcomes"
LEAST = 10
"""Items that must differ from the base model, and be right, and be wrong: models that hardly moved agree by
nature, as do those that lost a skill altogether."""
CERTAIN = 3
"""Models that must agree where only outcomes are known: two may do so by chance."""


@DATA.register(KIND, "outcomes item by item")
def can_look_for_twins(study: Study) -> bool:
    """With outcomes item by item of the base model and of two trials."""
    known = sum(bool(case.last.bits) for case in study.cases)
    return study.base is not None and bool(study.base.bits) and known >= 2


@DETECTORS.register(KIND, "models of different loss with the same outcome on every item")
def identical_outcomes(study: Study) -> list[Fault]:
    """Cases of different loss whose items all came out alike, at least 10 of them unlike the base model's.

    Skills whose items are all right or all wrong are not counted. Where the replies are known they must be
    the same too, which makes two cases enough to be certain; else three are needed.
    """
    alike: dict[Hashable, list[Case]] = defaultdict(list)
    for case in study.cases:
        if study.base is not None and _tells(study.base, case.last):
            alike[_outcomes(case.last)].append(case)
    groups = [cases for cases in alike.values() if len({case.last.loss for case in cases}) > 1]
    sure = [group for group in groups if len(group) >= CERTAIN or _replies(group[0].last)]
    unsure = [group for group in groups if group not in sure]
    return [_fault(study, some, some is sure) for some in (sure, unsure) if some]


def _fault(study: Study, groups: list[list[Case]], certain: bool) -> Fault:
    labels = tuple(case.label for group in groups for case in group)
    sentence = (
        f"{cases(len(labels))} with different losses have the same outcome on every item: {listed(labels)}"
        f"{at_one_level(study, labels)}. One model was evaluated in place of several."
    )
    return Fault(KIND, study.name, labels, certain, sentence, "Evaluate each with its own adapter.")


def _outcomes(measured: Measured) -> Hashable:
    return tuple(sorted(measured.bits.items())), _replies(measured)


def _replies(measured: Measured) -> tuple[object, ...]:
    return tuple(
        reply
        for (_, scoring), answer in measured.answers.items()
        if scoring == "generation"
        for reply in answer.replies
    )


def _tells(base: Measured, tuned: Measured) -> bool:
    """Whether the outcomes are too mixed, and too unlike the base model's, for two models to share them."""
    changed = right = wrong = 0
    for skill, text in tuned.bits.items():
        if "1" in text and "0" in text:
            changed += sum(a != b for a, b in zip(text, base.bits.get(skill, ""), strict=False))
            right += text.count("1")
            wrong += text.count("0")
    return min(changed, right, wrong) >= LEAST
