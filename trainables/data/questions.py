"""The fields of questions, by the names that data sets give them. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainables.data.fields import peeked

PASSAGES = ("context", "passage", "article")
"""What a question is about."""

OPTIONS = ("options", "choices")
ANSWERS = ("answer", "answers")
LABELLED = (*ANSWERS, "answerKey")
"""Of questions with options."""


def passage_of(record: Mapping[str, Any]) -> str:
    """What comes before a question: a text, or several of which each is a paragraph.

    Returns:
        Nothing where the record has none, or has something else under these names, which is not used.
    """
    name = next((name for name in PASSAGES if _texts(peeked(record, name))), None)
    return "" if name is None else "\n\n".join(_texts(record[name]))


def _texts(value: Any) -> list[str]:
    """The texts that a value is, or is a list of; none where it has anything else."""
    texts = value if isinstance(value, list) else [value]
    return [text for text in texts if text.strip()] if all(isinstance(text, str) for text in texts) else []


def answers_of(record: Mapping[str, Any], names: Sequence[str] = ANSWERS) -> tuple[str, list[Any]]:
    """The right answers, and the first field that has any; what follows it may be candidates.

    They are given as one, as a list, or in the form of SQuAD.

    Returns:
        The name of the first field and no answers, where there are none.
    """
    given = ((name, answers) for name in names if (answers := _listed(record.get(name))))
    return next(given, (names[0], []))


def _listed(value: Any) -> list[Any]:
    if isinstance(value, dict) and isinstance(value.get("text"), list):  # SQuAD
        value = value["text"]
    if isinstance(value, list):
        return value
    return [] if value is None or (isinstance(value, str) and not value.strip()) else [value]
