"""A task of lm-evaluation-harness as a skill."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import redirect_stderr
from io import StringIO
from typing import Any

import numpy as np

from trainables.data.chat import chat_of, on_the_day
from trainables.errors import UserError
from trainables.evaluation.harness.answers import Asking, answers
from trainables.evaluation.harness.library import load_task, seeded
from trainables.evaluation.harness.metrics import TaskMetrics
from trainables.evaluation.harness.requests import Generation, HarnessTokens, Request, Requests
from trainables.evaluation.harness.scores import DocumentScore, score_documents
from trainables.evaluation.harness.sought import sought_item

CONTEXT = 2048
"""Tokens that a model can take where it does not say (that of `HFLM`)."""


class HarnessTask:
    """A task's documents with what they ask, made once.

    Scores are those of the harness's own `HFLM` on the same documents: prompts, few-shot examples, tokens and
    metrics are made by its rules, and the chat template is left out unless it is asked for. A template that
    writes the day always writes the same one, as in training.

    Args:
        name: Name of a task that the harness knows, or path of a task's YAML file.
        tokenizer: The model's.
        seed: The search's seed, which chooses documents and few-shot examples.
        context: Tokens that the model can take; None where it does not say.
        limit: At most this many documents.
        metric: The metric that says whether a document was answered rightly; None takes acc, exact_match
            or acc_norm. "exact_match,strict-match" names a filter too.
        chat: Whether prompts go through the tokenizer's chat template.
        thinks: Whether replies are then to begin with a thought; see `trainables.data.asking.Asking`.
        key: Configuration key, for messages.

    Raises:
        UserError: The harness is not installed, the task cannot be loaded or asked, or `metric` is none of
            0 and 1.

    Attributes:
        items: Number of documents.
        documents: Place of each of them in the task's own data.
        questions: Text of each question, without few-shot examples.
        targets: The right answers as text.
        sought: Question and answer of each document in its own words, for which training data are searched.
        recorded: Which metrics are recorded, and which of them counts.
        fingerprint: SHA-256 over all that is asked and the right answers, 64 hexadecimal digits.
    """

    def __init__(
        self,
        name: str,
        tokenizer: Any,
        *,
        seed: int,
        context: int | None = None,
        limit: int | None = None,
        metric: str | None = None,
        chat: bool = False,
        thinks: bool = False,
        key: str = "capability",
    ) -> None:
        self.name = name
        self._key = key
        self._task = load_task(name, key, seed)
        self._tokens = HarnessTokens(tokenizer)
        self.documents = _chosen(len(self._task.eval_docs), limit, seed)
        self._instances = self._ask(tokenizer if chat else None, seed, thinks)
        requests = Requests(self._tokens, context or CONTEXT, key)
        made = iter(requests.make([instance for asked in self._instances for instance in asked]))
        self._requests = [[next(made) for _ in asked] for asked in self._instances]
        self.items = len(self._instances)
        self.questions = [_question(self._task, asked) for asked in self._instances]
        self.targets = [_target(self._task, asked[0].doc) for asked in self._instances]
        self.sought = [
            sought_item(self._task, asked[0].doc, question)
            for asked, question in zip(self._instances, self.questions, strict=True)
        ]
        self.recorded = TaskMetrics(self._task, name, metric, key)
        self.fingerprint = _fingerprint(self._instances, self.targets)

    def scores(self, asking: Asking, shard: tuple[int, int] = (0, 1)) -> list[list[DocumentScore]]:
        """Asks the model the documents whose place is `rank` modulo `world`.

        Args:
            asking: The model and its adapters.
            shard: (rank, world).

        Returns:
            For each adapter the documents' scores, in their order.

        Raises:
            UserError: The primary metric is not 0 or 1 for a document, or the task does not give it.
        """
        chosen = range(shard[0], self.items, shard[1])
        flat: list[Request] = [request for item in chosen for request in self._requests[item]]
        instances = {item: self._instances[item] for item in chosen}
        per_adapter = []
        for adapter in answers(asking, self._tokens, flat):
            remaining = iter(adapter)
            given = {item: [next(remaining) for _ in asked] for item, asked in instances.items()}
            scores = score_documents(self._task, instances, given)
            for score in scores:
                score.right = self.recorded.right(score)
            per_adapter.append(scores)
        return per_adapter

    @property
    def generates(self) -> bool:
        """Whether replies are generated."""
        return any(isinstance(request, Generation) for asked in self._requests for request in asked)

    @property
    def prompts(self) -> list[list[int]]:
        """The tokens of each document's prompt, few-shot examples included."""
        first = [asked[0] for asked in self._requests]
        windows = [each[0] if isinstance(each, list) else each for each in first]
        return [list(each.prompt if isinstance(each, Generation) else each.context) for each in windows]

    def metrics(self, scores: Sequence[DocumentScore]) -> dict[str, float]:
        """The harness's own figures over documents, those of all workers in their order.

        Args:
            scores: One adapter's; one at least.
        """
        return self.recorded.totals(sorted(scores, key=lambda score: score.item))

    def _ask(self, tokenizer: Any, seed: int, thinks: bool) -> list[list[Any]]:
        """The instances of each document."""

        def chat(messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
            if add_generation_prompt:
                assert template is not None
                return template.begin(messages, thinks=thinks)
            return str(
                tokenizer.apply_chat_template(
                    messages,
                    chat_template=on_the_day(str(tokenizer.get_chat_template())),
                    tokenize=False,
                    add_generation_prompt=False,
                    continue_final_message=True,
                )
            )

        templated = tokenizer is not None
        template = chat_of(tokenizer) if templated else None
        if templated and template is None:
            raise UserError(
                f"{self._key}: the tokenizer has no chat template.", hint="Switch the chat template off."
            )
        with seeded(seed), redirect_stderr(StringIO()):  # its progress bar
            self._task.build_all_requests(
                samples=None if len(self.documents) == len(self._task.eval_docs) else self.documents,
                rank=0,
                world_size=1,
                apply_chat_template=templated,
                chat_template=chat if templated else None,
                tokenizer_name="chat" if templated else "",
            )
        asked: list[list[Any]] = [[] for _ in self.documents]
        for instance in self._task.instances:
            asked[instance.doc_id].append(instance)
        return [sorted(instances, key=lambda instance: instance.idx) for instances in asked]


def _chosen(count: int, limit: int | None, seed: int) -> list[int]:
    """Places of the documents that are asked, drawn by the seed, in the task's order."""
    if limit is None or limit >= count:
        return list(range(count))
    drawn = np.random.Generator(np.random.PCG64(seed)).permutation(count)[:limit]
    return [int(place) for place in np.sort(drawn)]


def _question(task: Any, asked: Sequence[Any]) -> str:
    question = task.doc_to_text(asked[0].doc)
    # Of tasks whose options are contexts the text is the number of the right one.
    return question if isinstance(question, str) else str(asked[0].args[0])


def _target(task: Any, doc: Any) -> str:
    target = task.doc_to_target(doc)
    if isinstance(target, int) and task.get_config("doc_to_choice") is not None:
        return str(task.doc_to_choice(doc)[target])
    return str(target)


def _fingerprint(instances: Sequence[Sequence[Any]], targets: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for asked, target in zip(instances, targets, strict=True):
        parts = [[instance.request_type, instance.args] for instance in asked]
        digest.update(json.dumps([parts, target], sort_keys=True, default=str).encode())
    return digest.hexdigest()
