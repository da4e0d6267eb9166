"""A task of lm-evaluation-harness as a skill."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import redirect_stderr
from io import StringIO
from typing import Any

import numpy as np

from trainables.errors import UserError
from trainables.evaluation.harness.answers import Asking, answers
from trainables.evaluation.harness.library import load_task, seeded
from trainables.evaluation.harness.requests import Generation, Request, Requests
from trainables.evaluation.harness.scores import DocumentScore, named, score_documents
from trainables.evaluation.harness.sought import sought_item
from trainables.evaluation.harness.tokens import HarnessTokens

PRIMARY = ("acc", "exact_match", "acc_norm")
"""Metrics that say of a document whether it was answered rightly, in the order in which they are taken."""

BINARY = (*PRIMARY, "acc_bytes", "acc_mutual_info")
"""Metrics that are 0 or 1 for a document wherever the harness computes them itself."""

CONTEXT = 2048
"""Tokens that a model can take where it does not say (that of `HFLM`)."""


class HarnessTask:
    """A task's documents with what they ask, made once.

    Scores are those of the harness's own `HFLM` on the same documents: prompts, few-shot examples, tokens and
    metrics are made by its rules, and the chat template is left out unless it is asked for.

    Args:
        name: Name of a task that the harness knows, or path of a task's YAML file.
        tokenizer: The model's.
        seed: The search's seed, which chooses documents and few-shot examples.
        context: Tokens that the model can take; None where it does not say.
        limit: At most this many documents.
        metric: The metric that says whether a document was answered rightly; None takes the first of
            `PRIMARY` that the task has. "exact_match,strict-match" names a filter too.
        chat: Whether prompts go through the tokenizer's chat template.
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
        primary: Name of the metric that counts, or None: a task of perplexity alone has none.
        side_metrics: Other metrics that say right or wrong, as they are named in `DocumentScore.values`.
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
        key: str = "capability",
    ) -> None:
        self.name = name
        self._key = key
        self._task = load_task(name, key, seed)
        self._tokens = HarnessTokens(tokenizer)
        self.documents = _chosen(len(self._task.eval_docs), limit, seed)
        self._instances = self._ask(tokenizer if chat else None, seed)
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
        self.primary = self._primary(metric)
        self.side_metrics = self._side_metrics()
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
        found = []
        for own in answers(asking, self._tokens, flat):
            remaining = iter(own)
            given = {item: [next(remaining) for _ in asked] for item, asked in instances.items()}
            scores = score_documents(self._task, instances, given)
            for score in scores:
                score.right = self._right(score)
            found.append(scores)
        return found

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
        aggregations = self._task.aggregation()
        named: dict[str, float] = {}
        for name in scores[0].values:
            mean = aggregations.get(name.split(",")[0], np.mean)
            named[name] = float(mean([score.values[name] for score in sorted(scores, key=lambda s: s.item)]))
        return named

    def _ask(self, tokenizer: Any, seed: int) -> list[list[Any]]:
        """The instances of each document."""

        def chat(messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
            return str(
                tokenizer.apply_chat_template(
                    messages,
                    tokenize=False,
                    add_generation_prompt=add_generation_prompt,
                    continue_final_message=not add_generation_prompt,
                )
            )

        templated = tokenizer is not None
        if templated and tokenizer.chat_template is None:
            raise UserError(
                f"{self._key}: the tokenizer has no chat template.", hint="Leave the chat template off."
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

    def _primary(self, metric: str | None) -> str | None:
        known = list(self._task.aggregation())
        if metric is not None:
            if metric.split(",")[0] not in known:
                raise UserError(
                    f"{self._key}: the task {self.name!r} has no metric {metric!r}.",
                    hint=f"It has {', '.join(known)}.",
                )
            binary = [name for name in known if self._may_be_binary(name)]
            if metric.split(",")[0] not in binary:
                raise UserError(
                    f"{self._key}: {metric} of the task {self.name!r} does not say right or wrong, 1 or 0.",
                    hint=f"Name another metric: {', '.join(binary)}." if binary else "Choose another task.",
                )
            return metric
        return next((name for name in PRIMARY if name in known), None)

    def _may_be_binary(self, metric: str) -> bool:
        """Whether a metric is 0 or 1 for a document; of one that is the task's own only scores can tell."""
        from lm_eval.api.task import ConfigurableTask

        own = getattr(type(self._task), "process_results", None) is not ConfigurableTask.process_results
        listed = self._task.get_config("metric_list") or []
        functions = [entry["metric"] for entry in listed if callable(entry["metric"])]
        return (
            metric in BINARY
            or own
            or self._task.get_config("process_results") is not None
            or metric in [function.__name__ for function in functions]
        )

    def _side_metrics(self) -> list[str]:
        if self._task.get_config("process_results") is not None:
            return []  # its values can be anything
        filters = [each.name for each in self._task._filters]
        known = [name for name in BINARY if name in self._task.aggregation()]
        names = [named(metric, name, filters) for name in filters for metric in known]
        return [name for name in names if name != self._counting(names)]

    def _counting(self, names: Sequence[str]) -> str | None:
        """Which of these is the primary metric: its first filter's, where it names none."""
        return next((name for name in names if self.primary in (name, name.split(",")[0])), None)

    def _right(self, score: DocumentScore) -> bool | None:
        if self.primary is None:
            return None
        name = self._counting(list(score.values))
        value = None if name is None else score.values[name]
        if value not in (0, 1):
            raise UserError(
                f"{self._key}: {self.primary} of the task {self.name!r} is {value!r} for a document, "
                "and right or wrong is 1 or 0.",
                hint=f"Name another metric; the task gives {', '.join(score.values)}.",
            )
        return bool(value)


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
