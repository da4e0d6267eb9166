"""Answers that are read and are wrong more often than a guesser's."""

from __future__ import annotations

import math

import numpy as np

from analysis.investigate.checks.base import ALPHA
from analysis.investigate.faults.base import DATA, DETECTORS, at_one_level
from analysis.investigate.faults.constant import common_reply
from analysis.investigate.kendall import holm
from analysis.investigate.knowledge import chance_of
from analysis.investigate.results import Fault
from analysis.investigate.study import Measured, Study
from analysis.investigate.words import cases, percent

KIND = "mis-keyed answers"
LEAST = 20
"""Read answers that are needed to say anything."""
MOST_SAME = 0.6
"""Share of one and the same reply beyond which the key's own frequencies may put a model below chance."""
FAR_BELOW = 0.6
"""Accuracy as a share of a guesser's that is far below it."""


@DATA.register(KIND, "parsed answers, and the share of right answers by guessing")
def can_look_for_keys(study: Study) -> bool:
    """With answers that were read and a guesser's share, of any model."""
    models = (study.base, *(case.last for case in study.cases))
    return any(model is not None and _read(study, model) is not None for model in models)


@DETECTORS.register(KIND, "parsed answers are right far less often than random guesses")
def miskeyed_answers(study: Study) -> list[Fault]:
    """Accuracy among replies that were read is at most 0.6 of chance, and below it by exact binomial test.

    Adjusted by Holm over cases. A model that knows nothing is right as often as a guesser; one that gives the
    same answer to most may be below by the key's doing, and is left out.
    """
    models = [("the base model", study.base), *((case.label, case.last) for case in study.cases)]
    suspects = [
        (label, *read) for label, model in models if model is not None and (read := _read(study, model))
    ]
    adjusted = holm([binomial_below(right, n, chance) for _, right, n, chance in suspects])
    below = [
        suspect
        for suspect, p in zip(suspects, adjusted, strict=True)
        if p < ALPHA and suspect[1] <= FAR_BELOW * suspect[2] * suspect[3]
    ]
    if not below:
        return []
    labels = tuple(label for label, *_ in below if label != "the base model")
    _, right, n, chance = below[0]
    sentence = (
        f"{below[0][0]}: {right} of {n} parsed answers are right, far below the {percent(chance)} of random "
        "guesses."
    )
    if labels:
        sentence += f" The same holds for {cases(len(labels))}{at_one_level(study, labels)}."
    fix = "Compare the answer key with the order of the options."
    return [Fault(KIND, study.name, labels, True, sentence, fix, whole=below[0][0] == "the base model")]


def binomial_below(successes: int, n: int, share: float) -> float:
    """P(X <= successes) of a binomial, exact."""
    logs = [
        math.lgamma(n + 1)
        - math.lgamma(k + 1)
        - math.lgamma(n - k + 1)
        + k * math.log(share)
        + (n - k) * math.log1p(-share)
        for k in range(successes + 1)
    ]
    return min(1.0, float(np.exp(logs).sum()))


def _read(study: Study, model: Measured) -> tuple[int, int, float] | None:
    """Right answers, answers read, and a guesser's share; None where one is not known."""
    if common_reply(model, MOST_SAME) is not None:
        return None
    right = read = 0
    guesses = 0.0
    for (skill, scoring), answers in model.answers.items():
        chance = chance_of(study, skill)
        if scoring == "generation" and chance is not None:
            right += int(answers.right.sum())
            read += int(answers.read.sum())
            guesses += chance * int(answers.read.sum())
    if not model.answers and study.chance and model.n and "unparseable" in model.shares:
        read = round(model.n * (1 - model.shares["unparseable"].value))
        right, guesses = min(read, round(model.capability * model.n)), read * study.chance
    if read < LEAST or not guesses > 0:
        return None
    return right, read, guesses / read
