"""Tasks of lm-evaluation-harness as skills of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainables.errors import UserError
from trainables.evaluation.harness.answers import Asking
from trainables.evaluation.harness.scores import DocumentScore
from trainables.evaluation.harness.task import HarnessTask
from trainables.evaluation.items import OpenItem
from trainables.evaluation.metrics.harness import SCORING, SIDE
from trainables.evaluation.outcomes import Outcome, Outcomes, Result, Score
from trainables.evaluation.passes import Passes, Shard
from trainables.settings import SkillConfig


@dataclass(frozen=True)
class HarnessSkill:
    """A task under a skill's name.

    Attributes:
        last: Whether it is asked at the full budget only, and so does not count for capability.
    """

    name: str
    task: HarnessTask
    last: bool = False

    @property
    def items(self) -> list[OpenItem]:
        """Question and right answer of each document."""
        pairs = zip(self.task.questions, self.task.targets, strict=True)
        return [OpenItem(question, target) for question, target in pairs]


def load_harness(
    skills: Sequence[SkillConfig], tokenizer: Any, seed: int, context: int | None
) -> list[HarnessSkill]:
    """Those of the skills that are tasks of lm-evaluation-harness, loaded.

    Raises:
        UserError: As `HarnessTask`, or a task has no metric that says right or wrong.
    """
    found = []
    for skill in skills:
        if skill.harness is not None:
            key = f"capability.skills.{skill.name}"
            task = HarnessTask(
                skill.harness,
                tokenizer,
                seed=seed,
                context=context,
                limit=skill.limit,
                metric=skill.metric,
                chat=skill.chat,
                key=key,
            )
            if task.primary is None:
                raise UserError(
                    f"{key}: the task {skill.harness!r} has no metric that says right or wrong.",
                    hint="For perplexity give capability.general_text; or name a metric of 0 and 1.",
                )
            found.append(HarnessSkill(skill.name, task, skill.at == "last"))
    return found


class HarnessSkills:
    """The part of an evaluation that asks the tasks.

    A task is entered as a skill that is scored by "harness", which gives its primary metric as
    `<skill>_harness`. Its other metrics of right and wrong are further scorings, such as `<skill>_acc_norm`.

    Args:
        passes: The model under evaluation.
        skills: The tasks.
        ends: Tokens that end a reply.
    """

    name = "harness"

    def __init__(self, passes: Passes, skills: Sequence[HarnessSkill], ends: Collection[int]) -> None:
        self._passes = passes
        self._skills = list(skills)
        self._ends = ends

    @property
    def items(self) -> Mapping[str, Sequence[OpenItem]]:
        """The items of each skill."""
        return {skill.name: skill.items for skill in self._skills}

    @property
    def fingerprints(self) -> list[str]:
        """Of each task's documents, as they are asked."""
        return [skill.task.fingerprint for skill in self._skills]

    def asks(self, *, last: bool) -> bool:
        """Whether there is anything to ask, of adapters that are at their full budget or not."""
        return any(last or not skill.last for skill in self._skills)

    def run(self, outcomes: Sequence[Outcomes], shard: Shard, *, last: bool = True) -> None:
        """Asks a worker's share, of the adapters whose outcomes these are, and enters the scores.

        Args:
            outcomes: One for each adapter.
            shard: (rank, world).
            last: Whether the adapters are at their full budget.
        """
        copies = len(outcomes)
        rows, pad = self._passes.rows(copies), self._passes.pad_id
        asking = Asking(self._passes.forward, copies, rows, pad, self._ends)
        for skill in self._skills:
            if last or not skill.last:
                for one, documents in zip(outcomes, skill.task.scores(asking, shard), strict=True):
                    one.scores += _scores(skill, documents)


def _scores(skill: HarnessSkill, documents: Sequence[DocumentScore]) -> list[Score]:
    generated = skill.task.generates
    primary = Score(skill.name, SCORING, not skill.last, choice=False, last=skill.last, generated=generated)
    primary.results += [_result(document, document.right) for document in documents]
    others = []
    for metric in skill.task.side_metrics:
        score = Score(skill.name, f"{SIDE}{metric}", primary=False, choice=False, last=skill.last)
        score.results += [_result(document, document.values[metric] == 1) for document in documents]
        others.append(score)
    return [primary, *others]


def _result(document: DocumentScore, right: bool | None) -> Result:
    finite = all(map(math.isfinite, document.log_likelihoods))
    read = document.prediction is not None and finite  # a model that has diverged prefers nothing
    outcome: Outcome = "right" if right and finite else "wrong" if read else "unparseable"
    return Result(
        document.item,
        outcome,
        reply=document.reply,
        answer=document.prediction if read else None,
        values=document.log_likelihoods,
        tokens=document.tokens,
        degenerate=document.exhausted or document.looping,
        looping=document.looping,
        exhausted=document.exhausted,
    )
