"""One worker's questions, and the scores of the replies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trainables.evaluation.inference.likelihood import per_byte
from trainables.evaluation.inference.passes import Shard, share
from trainables.evaluation.inference.targets import Continuation
from trainables.evaluation.metrics.skills import LIKELIHOODS
from trainables.evaluation.outcomes import UNPARSEABLE, ItemOutcome, Outcomes, Result, Score
from trainables.evaluation.questions.items import ChoiceItem
from trainables.evaluation.questions.replies import Reader
from trainables.evaluation.questions.skills import Skill


@dataclass(frozen=True)
class Questions:
    """A worker's items of a skill that are put in one way, and their scores.

    Attributes:
        indices: Of the items.
        scores: By way of scoring, one for each adapter.
    """

    skill: Skill
    indices: range
    scores: dict[str, list[Score]]

    def take_replies(self, index: int, replies: Sequence[Sequence[int]], reader: Reader) -> None:
        """Records the reply to an item, token ids by adapter."""
        results: dict[tuple[int, ...], Result] = {}  # adapters often give the same replies
        for score, ids in zip(self.scores["generation"], map(tuple, replies), strict=True):
            if ids not in results:
                item = self.skill.items[index]
                results[ids] = reader.result(self.skill.config, index, item, reader.reply(ids))
            score.results.append(results[ids])

    def take_values(self, index: int, values: Sequence[Sequence[Continuation]]) -> None:
        """Records the score of each of an item's options as a whole reply, by adapter.

        Per byte of its text an option counts without the token that ends it, which is none of its text: by
        the end's probability short options would gain or lose more than long ones.
        """
        item = self.skill.items[index]
        assert isinstance(item, ChoiceItem)
        for way, scores in self.scores.items():
            for score, continuations in zip(scores, values, strict=True):
                each = [continuation.value for continuation in continuations]
                if way == "likelihood_norm":
                    each = per_byte([continuation.body for continuation in continuations], item.options)
                score.results.append(_chosen(index, item.answer, each))


def _chosen(index: int, answer: int, values: Sequence[float]) -> Result:
    # A model that has diverged prefers nothing.
    finite = all(map(math.isfinite, values))
    choice = values.index(max(values)) if finite else UNPARSEABLE
    wrong: ItemOutcome = "wrong" if finite else "unparseable"
    return Result(index, "right" if choice == answer else wrong, choice, values=values)


def questions(
    skills: Sequence[Skill], outcomes: Sequence[Outcomes], shard: Shard
) -> dict[str, list[Questions]]:
    """A worker's share by what it takes to score it; the scores are entered in the outcomes."""
    asked: dict[str, list[Questions]] = {"generation": [], "likelihood": []}
    for skill in skills:
        indices = share(shard, len(skill.items))
        made = {way: _scores(skill, way, outcomes) for way in _ways(skill)}
        likelihoods = {way: scores for way, scores in made.items() if way in LIKELIHOODS}
        if "generation" in made:
            asked["generation"].append(Questions(skill, indices, {"generation": made["generation"]}))
        if likelihoods:
            asked["likelihood"].append(Questions(skill, indices, likelihoods))
    return asked


def _ways(skill: Skill) -> list[str]:
    """The skill's ways of scoring, and those that come free with them."""
    ways: list[str] = list(skill.config.scoring)
    if not set(LIKELIHOODS).isdisjoint(ways):
        ways += [way for way in LIKELIHOODS if way not in ways]
    return ways


def _scores(skill: Skill, way: str, outcomes: Sequence[Outcomes]) -> list[Score]:
    late = skill.config.at != "every"
    primary = way == skill.config.scoring[0] and not late
    choice = isinstance(skill.items[0], ChoiceItem)
    scores = [Score(skill.config.name, way, primary, choice, late) for _ in outcomes]
    for each, score in zip(outcomes, scores, strict=True):
        each.scores.append(score)
    return scores
