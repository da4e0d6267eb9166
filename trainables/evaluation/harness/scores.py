"""Scores of a task's documents, by the task's own rules."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trainables.evaluation.harness.answers import Reply

INVALID = "[invalid]"
"""What the harness's filters return if they find no answer."""


@dataclass
class DocumentScore:
    """One document's scores; plain values only, since workers exchange them as JSON.

    Attributes:
        item: Its place among the task's documents here.
        right: Whether the primary metric counts it as right; None if the task has no such metric.
        values: The harness's metrics: numbers, or lists that its aggregation takes (gold and prediction of
            f1, log-likelihood and bytes of bits_per_byte). Names are as in the harness, "exact_match" or,
            where a task reads replies by several filters, "exact_match,strict-match".
        prediction: The option chosen, or what the first filter read in the reply; None if it read nothing.
        reply: The generated text; empty where nothing is generated.
        log_likelihoods: Of the options or of the text, in nats; empty where a reply is generated.
        tokens: Length of the reply.
        exhausted: Whether it came to its greatest length without an end.
        looping: Whether it ends in a loop.
    """

    item: int
    right: bool | None = None
    values: dict[str, Any] = field(default_factory=dict)
    prediction: str | None = None
    reply: str = ""
    log_likelihoods: list[float] = field(default_factory=list)
    tokens: int = 0
    exhausted: bool = False
    looping: bool = False


def named(metric: str, name: str, filters: Sequence[str]) -> str:
    """A metric's name, with the filter's where a task has several."""
    return metric if len(filters) == 1 else f"{metric},{name}"


def score_documents(
    task: Any, instances: dict[int, list[Any]], answers: dict[int, list[Any]]
) -> list[DocumentScore]:
    """Scores documents with the task's filters and its `process_results`.

    Args:
        task: The `lm_eval` task.
        instances: Of each item, in the order of their `idx`; they are left as they are.
        answers: One for each instance.
    """
    documents = {
        item: [_answered(*pair) for pair in zip(instances[item], answers[item], strict=True)]
        for item in instances
    }
    everything = [instance for asked in documents.values() for instance in asked]
    if not everything:
        return []
    for filters in task._filters:
        filters.apply(everything)
    names = list(everything[0].filtered_resps)
    return [_document(task, item, asked, answers[item][0], names) for item, asked in documents.items()]


def _answered(instance: Any, answer: Any) -> Any:
    """A copy of the instance with its answer, repeated as often as the task repeats it."""
    answered = copy.copy(instance)
    answer = answer.text if isinstance(answer, Reply) else answer
    answered.resps, answered.filtered_resps = [answer] * (instance.repeats or 1), {}
    return answered


def _document(
    task: Any, item: int, asked: Sequence[Any], first: Any, filters: Sequence[str]
) -> DocumentScore:
    score = DocumentScore(item)
    doc = asked[0].doc
    for name in filters:
        results = task.process_results(doc, [instance.filtered_resps[name] for instance in asked])
        for metric, value in results.items():
            score.values[named(metric, name, filters)] = _plain(value)
    answers = [instance.resps[0] for instance in asked]
    if isinstance(first, Reply):
        score.reply, score.tokens, score.exhausted, score.looping = first
        read = asked[0].filtered_resps[filters[0]]
        read = read[0] if isinstance(read, list) and read else read
        score.prediction = None if read in (INVALID, [], None) else str(read)
    elif isinstance(answers[0], tuple):
        score.log_likelihoods = [float(value) for value, _ in answers]
        options = [instance.args[1] for instance in asked]
        texts = options if len(set(options)) == len(options) else [instance.args[0] for instance in asked]
        score.prediction = texts[int(np.argmax(score.log_likelihoods))].strip()
    else:
        score.log_likelihoods = [float(value) for value in answers]
    return score


def _plain(value: Any) -> Any:
    """Numbers, text, lists and mappings in place of tuples and NumPy's types; None for anything else."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    return value if isinstance(value, str | int | float) else None
