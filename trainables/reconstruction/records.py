"""Passages with questions and all their right answers. Light: no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainables.data.lines import numbered_lines, parse_json
from trainables.data.sources import local_path
from trainables.errors import UserError
from trainables.text import encodable

_FORM = 'Each line is {"passage": text, "question": text, "answers": [text, ...]}.'


@dataclass(frozen=True)
class Reading:
    """A question about a passage.

    Attributes:
        answers: All that are right, at least one; the first is trained on.
    """

    passage: str
    question: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Fields:
    """Names of a record's fields."""

    passage: str = "passage"
    question: str = "question"
    answers: str = "answers"


_STANDARD = Fields()


def read_readings(source: str, key: str, fields: Fields = _STANDARD) -> list[Reading]:
    """All records of a JSONL file, of which there is at least one.

    Args:
        source: A path, or `embedded:<file>`.
        key: Configuration key, for messages.
        fields: Names of their fields.

    Raises:
        UserError: The file is missing or empty, or a record is none; the message names its line.
    """
    try:
        lines = numbered_lines(local_path(source, key), source)
        records = [_reading(parse_json(line, place), place, fields) for place, line in _placed(lines, source)]
        if not records:
            raise UserError(f"{source} is empty", hint=_FORM)
    except UserError as error:
        if error.message.startswith(f"{key}: "):
            raise
        raise UserError(f"{key}: {error.message.rstrip('.')}.", hint=error.hint) from error
    return records


def _placed(lines: Iterator[tuple[int, str]], source: str) -> Iterator[tuple[str, str]]:
    return ((f"{source}:{number}", line) for number, line in lines)


def _reading(record: Any, place: str, fields: Fields) -> Reading:
    wrong = _wrong(record, fields)
    if wrong is not None:
        raise UserError(f"{place} {wrong}", hint=_FORM)
    return Reading(record[fields.passage], record[fields.question], tuple(record[fields.answers]))


def _wrong(record: Any, fields: Fields) -> str | None:
    """What is wrong with a record, in words that follow its place."""
    if not isinstance(record, Mapping):
        return "is not an object"
    for name, what in ((fields.passage, "passage"), (fields.question, "question")):
        if name not in record:
            return f"lacks the field {name!r}; its fields are {', '.join(map(repr, record))}"
        if not isinstance(record[name], str):
            return f"has a {what} that is not text"
        if not record[name].strip():
            return f"has an empty {what}"
    answers = record.get(fields.answers)
    if not isinstance(answers, list) or not answers:
        return f"has no list of answers in the field {fields.answers!r}"
    if not all(isinstance(answer, str) and answer.strip() for answer in answers):
        return "has an answer that is not text, or empty"
    texts = [record[fields.passage], record[fields.question], *answers]
    return None if all(map(encodable, texts)) else "has invalid characters"


def others(readings: Sequence[Reading]) -> list[int]:
    """The index of another reading for each, with a different passage; all different.

    In order of passage, readings are rotated by the size of the largest group that shares one, so that none
    meets its own.

    Raises:
        UserError: More than half of the readings share a passage.
    """
    order = sorted(range(len(readings)), key=lambda index: readings[index].passage)
    passages = [readings[index].passage for index in order]
    largest = max(passages.count(passage) for passage in set(passages))
    if 2 * largest > len(readings):
        raise UserError(
            f"{largest} of {len(readings)} questions are about the same passage, so that contexts cannot be "
            "shuffled between questions.",
            hint="Give questions about more passages, or more of them.",
        )
    partners = [0] * len(readings)
    for place, index in enumerate(order):
        partners[index] = order[(place + largest) % len(order)]
    return partners
