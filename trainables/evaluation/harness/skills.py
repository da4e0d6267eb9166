"""Tasks of lm-evaluation-harness as skills of an evaluation."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trainables.errors import UserError
from trainables.evaluation.harness.answers import Asking
from trainables.evaluation.harness.scores import DocumentScore
from trainables.evaluation.harness.segments import reduced
from trainables.evaluation.harness.task import HarnessTask
from trainables.evaluation.inference.divergence import BaseAlone
from trainables.evaluation.inference.passes import ASKED, Passes, Shard
from trainables.evaluation.metrics.skills import SCORING, SIDE
from trainables.evaluation.outcomes import ItemOutcome, Outcomes, Result, Score
from trainables.evaluation.questions.items import OpenItem
from trainables.messages import Moment
from trainables.settings import At, SkillConfig


@dataclass(frozen=True)
class HarnessSkill:
    """A task under a skill's name.

    Attributes:
        at: When it is asked; only one that is asked at every rung counts for capability.
    """

    name: str
    task: HarnessTask
    at: At = "every"

    @property
    def items(self) -> list[OpenItem]:
        """Question and right answer of each document."""
        pairs = zip(self.task.questions, self.task.targets, strict=True)
        return [OpenItem(question, target) for question, target in pairs]


def load_harness(
    skills: Sequence[SkillConfig], tokenizer: Any, seed: int, context: int | None, *, thinks: bool = False
) -> list[HarnessSkill]:
    """Those of the skills that are tasks of lm-evaluation-harness, loaded.

    Args:
        skills: All skills.
        tokenizer: The model's.
        seed: The search's.
        context: Tokens that the model can take; None where it does not say.
        thinks: See `HarnessTask`.

    Raises:
        UserError: As `HarnessTask`; or a task has no metric that says right or wrong, and would have to
            count for capability; or it has none that can be recorded.
    """
    loaded = []
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
                thinks=thinks,
                key=key,
            )
            _check_recorded(task, skill, key)
            loaded.append(HarnessSkill(skill.name, task, skill.at))
    return loaded


def _check_recorded(task: HarnessTask, skill: SkillConfig, key: str) -> None:
    if task.recorded.primary is None and skill.at == "every":
        raise UserError(
            f"{key}: the task {skill.harness!r} has no metric that says right or wrong.",
            hint=f"With {key}.at=last or front it does not count for capability and needs no such metric. "
            "For perplexity at every rung, set capability.general_text.",
        )
    if task.recorded.primary is None and not task.recorded.figures:
        raise UserError(
            f"{key}: the task {skill.harness!r} has no metric that can be recorded.",
            hint="Its metric_list must name metrics or aggregations of lm-evaluation-harness itself.",
        )


class HarnessSkills:
    """The part of an evaluation that asks the tasks.

    A task is entered as a skill that is scored by "harness", which gives its primary metric as
    `<skill>_harness`. Its other metrics are further scorings, such as `<skill>_acc_norm`, over the documents
    that have them; of those that are not right or wrong, the base model's are kept once it is evaluated.

    Args:
        passes: The model under evaluation.
        skills: The tasks.
        ends: Tokens that end a reply.
        base: See `BaseAlone`; without it nothing is compared with the base model.
    """

    name = "harness"

    def __init__(
        self,
        passes: Passes,
        skills: Sequence[HarnessSkill],
        ends: Collection[int],
        base: BaseAlone | None = None,
    ) -> None:
        self._passes = passes
        self._skills = list(skills)
        self._ends = ends
        self._base = base
        self._base_values: dict[str, dict[int, dict[str, Any]]] = {}

    @property
    def items(self) -> Mapping[str, Sequence[OpenItem]]:
        """The items of each skill."""
        return {skill.name: skill.items for skill in self._skills}

    @property
    def fingerprints(self) -> list[str]:
        """Fingerprint of each task's documents, as they are asked."""
        return [skill.task.fingerprint for skill in self._skills]

    def asks(self, moment: Moment) -> bool:
        """Whether there is anything to ask then."""
        return any(skill.at in ASKED[moment] for skill in self._skills)

    def run(self, outcomes: Sequence[Outcomes], shard: Shard, moment: Moment = "base") -> None:
        """Asks a worker's share, of the adapters whose outcomes these are, and enters the scores.

        Args:
            outcomes: One for each adapter.
            shard: (rank, world).
            moment: It determines which skills are evaluated.
        """
        for skill in self._skills:
            if skill.at in ASKED[moment]:
                base = self._values_of_base(skill, shard) if moment != "base" else {}
                asked = skill.task.scores(self._asking(len(outcomes)), shard)
                if moment == "base" and self._base is not None:
                    self._keep_base(skill, asked[0])  # it need not be evaluated again
                for each, documents in zip(outcomes, asked, strict=True):
                    each.scores += _scores(skill, documents, base)

    def _asking(self, copies: int) -> Asking:
        passes = self._passes
        return Asking(passes.forward, copies, passes.rows(copies), passes.pad_id, self._ends)

    def _values_of_base(self, skill: HarnessSkill, shard: Shard) -> Mapping[int, Mapping[str, Any]]:
        """The base model's values of documents, by item; it is evaluated once."""
        if self._base is None or not skill.task.recorded.figures:
            return {}
        if skill.name not in self._base_values:
            with self._base():
                (documents,) = skill.task.scores(self._asking(1), shard)
            self._keep_base(skill, documents)
        return self._base_values[skill.name]

    def _keep_base(self, skill: HarnessSkill, documents: Sequence[DocumentScore]) -> None:
        figures = skill.task.recorded.figures
        self._base_values[skill.name] = {
            document.item: {
                metric: reduced(aggregation, document.values.get(metric))
                for metric, aggregation in figures.items()
            }
            for document in documents
        }


def _scores(
    skill: HarnessSkill, documents: Sequence[DocumentScore], base: Mapping[int, Mapping[str, Any]]
) -> list[Score]:
    late, recorded = skill.at != "every", skill.task.recorded

    def score(scoring: str, *, primary: bool = False, aggregation: str = "") -> Score:
        generated = scoring == SCORING and skill.task.generates
        return Score(
            skill.name,
            scoring,
            primary,
            choice=False,
            last=late,
            generated=generated,
            aggregation=aggregation,
        )

    scores = []
    if recorded.primary is not None:
        scores.append(score(SCORING, primary=not late))
        scores[-1].results += [_result(document, document.right) for document in documents]
    for metric in recorded.shares:
        scores.append(score(f"{SIDE}{metric}"))
        # The harness itself leaves out what it does not compute for this type of task.
        scores[-1].results += [
            _result(document, document.values[metric] == 1)
            for document in documents
            if metric in document.values
        ]
    for metric, aggregation in recorded.figures.items():
        scores.append(score(f"{SIDE}{metric}", aggregation=aggregation))
        scores[-1].results += [
            _part(document, metric, aggregation, base.get(document.item, {}).get(metric))
            for document in documents
        ]
    return scores


def _part(document: DocumentScore, metric: str, aggregation: str, base: Any) -> Result:
    """A document's value for a metric other than right or wrong."""
    value = document.values.get(metric)
    return replace(
        _result(document, None),
        outcome=None,
        values=list(_numbers(value)),
        part=reduced(aggregation, value),
        base=base,
    )


def _numbers(part: Any) -> Iterator[float]:
    """The numbers in it; texts are among the columns of the items' file already."""
    if isinstance(part, int | float):
        yield float(part)
    elif isinstance(part, list):
        for each in part:
            yield from _numbers(each)


def _result(document: DocumentScore, right: bool | None) -> Result:
    finite = all(map(math.isfinite, document.log_likelihoods))
    read = document.prediction is not None and finite  # a model that has diverged prefers nothing
    outcome: ItemOutcome = "right" if right and finite else "wrong" if read else "unparseable"
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
