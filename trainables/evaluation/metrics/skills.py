"""Scores of each skill, and capability, which is made of them."""

from __future__ import annotations

from trainables.evaluation.intervals import mean_of_shares, wilson
from trainables.evaluation.metrics.base import METRICS, Asked, Estimate, Metric, share_of
from trainables.evaluation.outcomes import Outcomes

LIKELIHOODS = ("likelihood", "likelihood_norm")
"""Ways of scoring that come of the same passes, so that either gives both."""


def _accuracy(way: str) -> Metric:
    def names(asked: Asked) -> list[str]:
        return [
            f"{skill.config.name}_{way}"
            for skill in asked.skills
            if way in skill.config.scoring
            or (way in LIKELIHOODS and not set(LIKELIHOODS).isdisjoint(skill.config.scoring))
        ]

    def measure(outcomes: Outcomes) -> dict[str, Estimate]:
        scores = [score for score in outcomes.scores if score.scoring == way]
        return {f"{score.skill}_{way}": share_of(score.right, len(score.results)) for score in scores}

    return Metric(names, measure, high=1.0, direction="max", share=True)


def _f1_names(asked: Asked) -> list[str]:
    return [f"{skill.config.name}_f1" for skill in asked.skills if skill.generates and not skill.choice]


def _f1(outcomes: Outcomes) -> dict[str, Estimate]:
    """Means, whose interval is that of a share: values between 0 and 1 vary no more than 0 and 1 do."""
    found = {}
    for score in outcomes.scores:
        if score.scoring == "generation" and not score.choice:
            total, n = sum(result.f1 for result in score.results), len(score.results)
            found[f"{score.skill}_f1"] = Estimate(total / n, wilson(min(total, n), n))
    return found


def _capability(outcomes: Outcomes) -> dict[str, Estimate]:
    counts = [(score.right, len(score.results)) for score in outcomes.scores if score.primary]
    if not counts:
        return {}
    return {
        "capability": Estimate(sum(right / n for right, n in counts) / len(counts), mean_of_shares(counts))
    }


METRICS.register("<skill>_generation", "Share of questions answered rightly in the model's own words.")(
    _accuracy("generation")
)
METRICS.register(
    "<skill>_likelihood", "Share of questions whose right option the model finds the most probable."
)(_accuracy("likelihood"))
METRICS.register(
    "<skill>_likelihood_norm",
    "Share of questions whose right option is the most probable for each byte of its text.",
)(_accuracy("likelihood_norm"))
METRICS.register(
    "<skill>_f1",
    "Words that a reply shares with the right answer (token F1, as in SQuAD), the mean over the questions.",
)(Metric(_f1_names, _f1, high=1.0, direction="max"))
METRICS.register(
    "capability",
    "Share of held-out questions that are answered rightly, the mean over the skills, each by its first "
    "scoring.",
)(Metric(lambda asked: ["capability"], _capability, high=1.0, direction="max"))
