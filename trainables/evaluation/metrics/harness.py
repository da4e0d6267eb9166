"""Scores of tasks of lm-evaluation-harness."""

from __future__ import annotations

import re

from trainables.evaluation.metrics.base import METRICS, Asked, Estimate, Metric, share_of
from trainables.evaluation.outcomes import Outcomes

SCORING = "harness"
"""The way in which a task is scored: by its own rules."""

SIDE = "harness:"
"""What a further metric of it is entered under, before the metric's name."""


def _names(asked: Asked) -> list[str]:
    # What further metrics a task has, only the task knows.
    return [f"{skill.config.name}_{SCORING}" for skill in asked.skills if SCORING in skill.config.scoring]


def _measure(outcomes: Outcomes) -> dict[str, Estimate]:
    found = {}
    for score in outcomes.scores:
        if score.scoring == SCORING or score.scoring.startswith(SIDE):
            metric = re.sub(r"[^A-Za-z0-9_]+", "_", score.scoring.removeprefix(SIDE))
            found[f"{score.skill}_{metric}"] = share_of(score.right, len(score.results))
    return found


METRICS.register("harness", "<skill>_harness: the task's own metric of right answers")(
    Metric(_names, _measure, high=1.0, share=True)
)
