"""Scores of tasks of lm-evaluation-harness."""

from __future__ import annotations

import re

from trainables.evaluation.harness.figures import change, figure
from trainables.evaluation.metrics.base import METRICS, Asked, Estimate, Metric, share_of
from trainables.evaluation.outcomes import Outcomes, Score

SCORING = "harness"
"""The way in which a task is scored: by its own rules."""

SIDE = "harness:"
"""What a further metric of it is entered under, before the metric's name."""

CHANGE = "_change"
"""How the metric ends that is another one less the base model's."""


def _names(asked: Asked) -> list[str]:
    # What further metrics a task has, only the task knows.
    return [f"{skill.config.name}_{SCORING}" for skill in asked.skills if SCORING in skill.config.scoring]


def _measure(outcomes: Outcomes) -> dict[str, Estimate]:
    found: dict[str, Estimate] = {}
    for score in outcomes.scores:
        if score.scoring == SCORING or score.scoring.startswith(SIDE):
            metric = re.sub(r"[^A-Za-z0-9_]+", "_", score.scoring.removeprefix(SIDE))
            name = f"{score.skill}_{metric}"
            found |= _figures(name, score) if score.aggregation else _share(name, score)
    return found


def _share(name: str, score: Score) -> dict[str, Estimate]:
    """The share; none where no document has the metric."""
    return {name: share_of(score.right, len(score.results))} if score.results else {}


def _figures(name: str, score: Score) -> dict[str, Estimate]:
    """The figure, and how far it is from the base model's; only what can be told."""
    given = [result.part for result in score.results if result.part is not None]
    pairs = [(one.part, one.base) for one in score.results if None not in (one.part, one.base)]
    found = {name: figure(score.aggregation, given) if given else None}
    if pairs and len(pairs) == len(given):
        own, base = zip(*pairs, strict=True)
        found[f"{name}{CHANGE}"] = change(score.aggregation, own, base)
    return {key: Estimate(*one) for key, one in found.items() if one is not None}


METRICS.register("<skill>_harness", "Share of items right by the rules of the lm-evaluation-harness task.")(
    Metric(_names, _measure, high=1.0, direction="max", share=True)
)
