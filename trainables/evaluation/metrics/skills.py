"""Scores of each skill, capability, which is made of them, and scores of lm-evaluation-harness tasks."""

from __future__ import annotations

import re

from trainables.evaluation.harness.figures import change, figure
from trainables.evaluation.intervals import mean_of_shares, wilson
from trainables.evaluation.metrics.base import METRICS, Asked, Metric, MetricEstimate, share_of
from trainables.evaluation.outcomes import Outcomes, Score

LIKELIHOODS = ("likelihood", "likelihood_norm")
"""Scorings that come from the same passes, so that either gives both."""


def _accuracy(way: str) -> Metric:
    def names(asked: Asked) -> list[str]:
        return [
            f"{skill.config.name}_{way}"
            for skill in asked.skills
            if way in skill.config.scoring
            or (way in LIKELIHOODS and not set(LIKELIHOODS).isdisjoint(skill.config.scoring))
        ]

    def measure(outcomes: Outcomes) -> dict[str, MetricEstimate]:
        scores = [score for score in outcomes.scores if score.scoring == way]
        return {f"{score.skill}_{way}": share_of(score.right, len(score.results)) for score in scores}

    return Metric(names, measure, high=1.0, direction="max", share=True)


def _f1_names(asked: Asked) -> list[str]:
    return [f"{skill.config.name}_f1" for skill in asked.skills if skill.generates and not skill.choice]


def _f1(outcomes: Outcomes) -> dict[str, MetricEstimate]:
    """Means with a share's interval: values between 0 and 1 vary no more than zeros and ones."""
    estimates = {}
    for score in outcomes.scores:
        if score.scoring == "generation" and not score.choice:
            total, n = sum(result.f1 for result in score.results), len(score.results)
            estimates[f"{score.skill}_f1"] = MetricEstimate(
                total / n, wilson(min(total, n), n), [result.f1 for result in score.results]
            )
    return estimates


def _capability(outcomes: Outcomes) -> dict[str, MetricEstimate]:
    counts = [(score.right, len(score.results)) for score in outcomes.scores if score.primary]
    if not counts:
        return {}
    return {
        "capability": MetricEstimate(
            sum(right / n for right, n in counts) / len(counts), mean_of_shares(counts)
        )
    }


METRICS.register("<skill>_generation", "Share of questions answered correctly in a generated reply.")(
    _accuracy("generation")
)
METRICS.register(
    "<skill>_likelihood", "Share of questions for which the right option is the most probable one."
)(_accuracy("likelihood"))
METRICS.register(
    "<skill>_likelihood_norm",
    "Share of questions for which the right option is the most probable one per byte of its text.",
)(_accuracy("likelihood_norm"))
METRICS.register(
    "<skill>_f1",
    "Overlap in words of a reply with the right answer (token F1, as in SQuAD), the mean over the questions.",
)(Metric(_f1_names, _f1, high=1.0, direction="max"))
METRICS.register(
    "capability",
    "Share of held-out questions that are answered correctly, the mean over the skills, each by its first "
    "scoring.",
)(Metric(lambda asked: ["capability"] if asked.skills else [], _capability, high=1.0, direction="max"))


SCORING = "harness"
"""The way in which a task is scored: by its own rules."""

SIDE = "harness:"
"""Prefix of the scorings that are a task's further metrics."""

CHANGE = "_change"
"""Suffix of a metric's change from the base model."""


def _harness_names(asked: Asked) -> list[str]:
    # What further metrics a task has, only the task knows.
    return [f"{skill.config.name}_{SCORING}" for skill in asked.skills if SCORING in skill.config.scoring]


def _harness_scores(outcomes: Outcomes) -> dict[str, MetricEstimate]:
    estimates: dict[str, MetricEstimate] = {}
    for score in outcomes.scores:
        if score.scoring == SCORING or score.scoring.startswith(SIDE):
            metric = re.sub(r"[^A-Za-z0-9_]+", "_", score.scoring.removeprefix(SIDE))
            name = f"{score.skill}_{metric}"
            estimates |= _figures(name, score) if score.aggregation else _share(name, score)
    return estimates


def _share(name: str, score: Score) -> dict[str, MetricEstimate]:
    """The share of right documents; empty if no document has the metric."""
    return {name: share_of(score.right, len(score.results))} if score.results else {}


def _figures(name: str, score: Score) -> dict[str, MetricEstimate]:
    """The figure and its change from the base model's, if the documents give them."""
    given = [result.part for result in score.results if result.part is not None]
    pairs = [(result.part, result.base) for result in score.results if None not in (result.part, result.base)]
    figures = {name: figure(score.aggregation, given) if given else None}
    if pairs and len(pairs) == len(given):
        values, base = zip(*pairs, strict=True)
        figures[f"{name}{CHANGE}"] = change(score.aggregation, values, base)
    return {key: MetricEstimate(*result) for key, result in figures.items() if result is not None}


METRICS.register(
    "<skill>_harness", ("Share of items that are right by the rules of the lm-evaluation-harness task.")
)(Metric(_harness_names, _harness_scores, high=1.0, direction="max", share=True))
