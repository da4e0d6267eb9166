"""What came of generated replies: an answer that is lost in form is not one that is wrong."""

from __future__ import annotations

from typing import get_args

from trainables.evaluation.metrics.base import METRICS, Asked, Estimate, Metric, share_of
from trainables.evaluation.outcomes import Outcome, Outcomes, Result

_MEANING: dict[Outcome, str] = {
    "right": "the answer is right",
    "wrong": "an answer was read, and is not right",
    "unparseable": "no answer could be read",
    "leaking": "no answer could be read, and the reply has words of the training data",
}


def _count(results: list[Result], outcome: Outcome) -> Estimate:
    return share_of(sum(result.outcome == outcome for result in results), len(results))


def _of_skills(outcome: Outcome) -> Metric:
    def names(asked: Asked) -> list[str]:
        return [f"{skill.config.name}_{outcome}" for skill in asked.skills if skill.generates]

    def measure(outcomes: Outcomes) -> dict[str, Estimate]:
        generated = [score for score in outcomes.scores if score.scoring == "generation"]
        return {f"{score.skill}_{outcome}": _count(score.results, outcome) for score in generated}

    return Metric(names, measure, high=1.0, share=True)


def _of_all(outcome: Outcome) -> Metric:
    def names(asked: Asked) -> list[str]:
        return [outcome] if asked.generates else []

    def measure(outcomes: Outcomes) -> dict[str, Estimate]:
        replies = outcomes.replies
        return {outcome: _count(replies, outcome)} if replies else {}

    return Metric(names, measure, high=1.0, share=True)


for _outcome in get_args(Outcome):
    if _outcome != "right":  # that is <skill>_generation
        _line = f"<skill>_{_outcome}: share of generated replies: {_MEANING[_outcome]}"
        METRICS.register(f"skill_{_outcome}", _line)(_of_skills(_outcome))
for _outcome in get_args(Outcome):
    METRICS.register(_outcome, f"share of all generated replies: {_MEANING[_outcome]}")(_of_all(_outcome))
