"""Metrics of users: numbers for each question, from the replies and the base model's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict

from trainables.errors import UserError, first_line
from trainables.evaluation.outcomes import Outcomes, Sums
from trainables.evaluation.questions.questions import Questions
from trainables.evaluation.questions.skills import Skill
from trainables.own.functions import MetricFunction, Question, metric_function
from trainables.settings import OwnMetric
from trainables.text import printable


class OwnMetrics:
    """Measures the metrics of `capability.metrics` on one worker's questions.

    Args:
        metrics: As configured; where they lie on this machine.
        skills: In their order; those are measured that are asked at every rung for replies.

    Raises:
        UserError: One of them cannot be loaded.
    """

    def __init__(self, metrics: Sequence[OwnMetric], skills: Sequence[Skill]) -> None:
        self._functions = {metric.name: metric_function(metric.source, metric.digest) for metric in metrics}
        self._offsets: dict[str, int] = {}
        total = 0
        for skill in skills:
            if skill.config.at == "every" and "generation" in skill.config.scoring:
                self._offsets[skill.config.name] = total
                total += len(skill.items)

    def run(
        self,
        outcomes: Sequence[Outcomes],
        asked: Sequence[Questions],
        base: Callable[[Questions, int], str | None],
    ) -> None:
        """Adds the numbers to the outcomes of each adapter.

        Args:
            outcomes: One for each adapter.
            asked: This worker's questions by generation, with their replies.
            base: The base model's reply to a question by its index; None where it is the model that replies.

        Raises:
            UserError: A metric fails, or gives something else than a finite number for each question.
        """
        often = [part for part in asked if part.skill.config.name in self._offsets]
        places = [self._offsets[part.skill.config.name] + i for part in often for i in part.indices]
        if not self._functions or not places:
            return
        known = [base(part, index) for part in often for index in part.indices]
        for adapter, each in enumerate(outcomes):
            scores = [part.scores["generation"][adapter] for part in often]
            replies = [result.reply for score in scores for result in score.results]
            before = [reply if old is None else old for old, reply in zip(known, replies, strict=True)]
            for name, function in self._functions.items():
                questions = [_row(part, index) for part in often for index in part.indices]
                # Copies: what one metric does to them reaches no other metric and no other adapter.
                values = _values(name, function, questions, list(replies), list(before))
                each.own[name] = Sums(list(places), values, [1] * len(values))


def _row(part: Questions, index: int) -> Question:
    item = asdict(part.skill.items[index])
    item.pop("others", None)  # the record has them
    return {**item.pop("more"), **item, "skill": part.skill.config.name}


def _values(
    name: str,
    function: MetricFunction,
    questions: Sequence[Question],
    replies: Sequence[str],
    base: Sequence[str],
) -> list[float]:
    count = len(questions)
    try:
        values = [float(value) for value in function(questions, replies, base)]
    except (Exception, SystemExit) as error:  # a named boundary: a user's program raises what it will
        said = f"{type(error).__name__}: {printable(first_line(error))}"
        raise UserError(f"The metric {name} failed: {said}.") from error
    if len(values) != count or not all(map(math.isfinite, values)):
        raise UserError(
            f"The metric {name} gave {len(values)} values, not a finite one for each of {count}.",
            hint="It must give a finite number for each question, in their order.",
        )
    return values
