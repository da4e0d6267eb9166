"""A task's documents as the questions that training data are searched for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainables.evaluation.questions.items import LETTERS, ChoiceItem, Item, OpenItem

_QUESTIONS = (
    "question",
    "query",
    "goal",
    "question_stem",
    "stem",
    "problem",
    "sentence",
    "ctx",
    "instruction",
)
"""Fields that hold a question by itself, in the order in which they are taken."""

_LABEL = 2
"""Characters of an option's label, such as "B" or "2.", at most."""


@dataclass(frozen=True)
class AcceptedChoice(ChoiceItem):
    """One with more than one right option; `others` are the indices of those after the first."""

    others: tuple[int, ...] = ()


def sought_item(task: Any, doc: Mapping[str, Any], prompt: str) -> Item:
    """The question and its right answer in the document's own words: prompts wrap them.

    Args:
        task: The `lm_eval` task.
        doc: One of its documents.
        prompt: What the model is asked, which is the question of a document without any text field.
    """
    question = _question(task, doc) or prompt
    target = task.doc_to_target(doc)
    if task.OUTPUT_TYPE == "loglikelihood_rolling":
        return _halves(str(target))
    targets = list(target) if isinstance(target, list | tuple) and target else [target]
    labels = _labels(task, doc)
    indices = [_index(each, labels) for each in targets]
    options = _texts(doc, len(labels)) if all(len(label.strip()) <= _LABEL for label in labels) else labels
    known = [index for index in indices if index is not None]
    if options is not None and known and len(known) == len(targets) and max(known) < len(options):
        right, *more = known
        plain = ChoiceItem(question, tuple(options), right)
        return AcceptedChoice(**vars(plain), others=tuple(more)) if more else plain
    answers = [
        str(each) if index is None else labels[index] for each, index in zip(targets, indices, strict=True)
    ]
    first, *others = answers
    return OpenItem(question, first, tuple(others))


def _halves(text: str) -> OpenItem:
    """A text whose whole likelihood is asked for: its first half is the question, the rest the answer."""
    middle = len(text) // 2
    space = re.search(r"\s", text[middle:])
    cut = middle + space.start() if space else middle
    return OpenItem(text[:cut], text[cut:])


def _question(task: Any, doc: Mapping[str, Any]) -> str | None:
    texts = {str(name): value for name, value in doc.items() if isinstance(value, str) and value.strip()}
    named = {name.casefold(): value for name, value in texts.items()}
    for name in _QUESTIONS:
        if name in named:
            return named[name]
    query = task.get_config(
        "doc_to_decontamination_query"
    )  # or a template, which may wrap it as the prompt does
    if isinstance(query, str) and query in texts:
        return texts[query]
    return max(texts.values(), key=len, default=None)


def _labels(task: Any, doc: Mapping[str, Any]) -> list[str]:
    """The options as the task has the model choose them; letters where it has it write one."""
    if task.get_config("doc_to_choice") is not None:
        return [str(option) for option in task.doc_to_choice(doc)]
    count = next((len(texts) for texts in _lists(doc)), 0)
    return list(LETTERS[:count])


def _index(target: Any, labels: Sequence[str]) -> int | None:
    if isinstance(target, int) and not isinstance(target, bool):
        return target if 0 <= target < len(labels) else None
    stripped = [label.strip() for label in labels]
    text = str(target).strip()
    return stripped.index(text) if text in stripped else None


def _texts(doc: Mapping[str, Any], count: int) -> list[str] | None:
    """The options' texts: a list of that many, or fields that are named by letters."""
    options = next((texts for texts in _lists(doc) if len(texts) == count), None)
    lettered = [doc.get(letter) for letter in LETTERS[:count]]
    if options is None and all(isinstance(text, str) for text in lettered):
        return [str(text) for text in lettered]
    return options


def _lists(doc: Mapping[str, Any]) -> Iterator[list[str]]:
    """Lists of options' texts in a document, at any depth; lists of labels are none."""
    for value in doc.values():
        if isinstance(value, Mapping):
            yield from _lists(value)
        elif isinstance(value, list) and len(value) > 1:
            texts = [text.strip() for text in value if isinstance(text, str)]
            if len(texts) == len(value) and any(len(text) > _LABEL for text in texts):
                yield value
