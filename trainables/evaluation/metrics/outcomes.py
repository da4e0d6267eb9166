"""What came of generated replies: an answer that is lost in form is not one that is wrong."""

from __future__ import annotations

from trainables.evaluation.metrics.base import METRICS, Asked, Estimate, Metric, share_of
from trainables.evaluation.outcomes import Outcome, Outcomes, Result

_OF_ALL: dict[Outcome, str] = {
    "right": "Share of generated replies with the right answer.",
    "wrong": "Share of generated replies from which an answer could be read that is not the right one.",
    "unparseable": "Share of generated replies from which no answer could be read.",
    "leaking": "Share of generated replies from which no answer could be read and which recite the training "
    "text.",
}

_OF_SKILL: dict[Outcome, str] = {  # where it is right, that is <skill>_generation
    "wrong": "Share of replies with an answer that is not right.",
    "unparseable": "Share of replies from which no answer could be read.",
    "leaking": "Share of replies that recite the training text instead of an answer.",
}


def _count(results: list[Result], outcome: Outcome) -> Estimate:
    return share_of(sum(result.outcome == outcome for result in results), len(results))


def _of_skills(outcome: Outcome) -> Metric:
    def names(asked: Asked) -> list[str]:
        return [f"{skill.config.name}_{outcome}" for skill in asked.skills if skill.generates]

    def measure(outcomes: Outcomes) -> dict[str, Estimate]:
        generated = [score for score in outcomes.scores if score.scoring == "generation"]
        return {f"{score.skill}_{outcome}": _count(score.results, outcome) for score in generated}

    return Metric(names, measure, high=1.0, direction="min", share=True)


def _of_all(outcome: Outcome) -> Metric:
    def names(asked: Asked) -> list[str]:
        return [outcome] if asked.generates else []

    def measure(outcomes: Outcomes) -> dict[str, Estimate]:
        replies = outcomes.replies
        return {outcome: _count(replies, outcome)} if replies else {}

    return Metric(names, measure, high=1.0, direction="max" if outcome == "right" else "min", share=True)


for _outcome, _line in _OF_SKILL.items():
    METRICS.register(f"<skill>_{_outcome}", _line)(_of_skills(_outcome))
for _outcome, _line in _OF_ALL.items():
    METRICS.register(_outcome, _line)(_of_all(_outcome))
